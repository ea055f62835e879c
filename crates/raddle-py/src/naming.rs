//! What a person would call an object: `Account.lock#2`.
//!
//! Unless the program has given it a name, nothing is named when it is made; only the place is kept. A report decodes the instruction that stored the new object
//! (`self.lock = Lock()`), and numbers those of one name in the order in which they are first told of.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::site::CodeSite;

/// The attribute in which the package's own classes over those of the drop-in keep the name that they were given.
pub(crate) fn given_name(py: Python<'_>) -> &Bound<'_, PyString> {
    intern!(py, "_raddle_name")
}

/// The name that an object of such a class was given.
pub(crate) fn given(object: &Bound<'_, PyAny>) -> Option<String> {
    object.getattr_opt(given_name(object.py())).ok()??.extract().ok()
}

/// How many instructions may lie between the call and the store: loading what it is stored in.
const BETWEEN: usize = 4;

/// The name of the object at `address`, made at `site`; what its class is called if there is none to be found.
pub(crate) fn of(py: Python<'_>, site: Option<&CodeSite>, address: usize, class: &str) -> String {
    let stored = site.and_then(|site| stored_as(py, site).ok().flatten());
    match stored {
        None => numbered(class, address),
        Some((name, true)) => name,
        Some((name, false)) => numbered(&name, address),
    }
}

fn numbered(name: &str, address: usize) -> String {
    static TOLD: LazyLock<Mutex<HashMap<String, Vec<usize>>>> = LazyLock::new(Mutex::default);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let same_name = told.entry(name.to_owned()).or_default();
    let number = same_name.iter().position(|other| *other == address).unwrap_or_else(|| {
        same_name.push(address);
        same_name.len() - 1
    });
    format!("{name}#{}", number + 1)
}

/// The name of each instruction.
fn opnames(py: Python<'_>) -> PyResult<&'static [String]> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    if let Some(names) = NAMES.get() {
        return Ok(names);
    }
    let mut names: Vec<String> = py.import("opcode")?.getattr("opname")?.extract()?;
    names.resize(256, String::new());
    Ok(NAMES.get_or_init(|| names))
}

/// The name under which the object made at `site` was stored, and whether there can be only one.
fn stored_as(py: Python<'_>, site: &CodeSite) -> PyResult<Option<(String, bool)>> {
    let code = site.code.bind(py);
    let bytes: Vec<u8> = code.getattr("co_code")?.extract()?;
    let opname = |unit: &[u8]| opnames(py).map_or("", |names| names[usize::from(unit[0])].as_str());
    let units = bytes.chunks_exact(2).skip(site.index + 1).filter(|unit| opname(unit) != "CACHE");
    let mut extended = 0;
    for unit in units.take(BETWEEN) {
        let argument = extended << 8 | usize::from(unit[1]);
        extended = if opname(unit) == "EXTENDED_ARG" { argument } else { 0 };
        let qualname: String = code.getattr("co_qualname")?.extract()?;
        let name = |table: &str, index| code.getattr(table)?.get_item(index)?.extract::<String>();
        let local = |index| code.call_method1("_varname_from_oparg", (index,))?.extract::<String>();
        return Ok(Some(match opname(unit) {
            "STORE_NAME" if qualname == "<module>" => (name("co_names", argument)?, true),
            "STORE_NAME" => (format!("{}.{}", plain(&qualname), name("co_names", argument)?), true),
            "STORE_GLOBAL" => (name("co_names", argument)?, true),
            "STORE_ATTR" => (member(&qualname, &name("co_names", argument)?), false),
            "STORE_FAST" | "STORE_DEREF" => (format!("{}.{}", plain(&qualname), local(argument)?), false),
            "STORE_FAST_LOAD_FAST" | "STORE_FAST_STORE_FAST" => {
                (format!("{}.{}", plain(&qualname), local(argument >> 4)?), false)
            }
            load if load.starts_with("LOAD_") || load == "EXTENDED_ARG" => continue,
            _ => return Ok(None),
        }));
    }
    Ok(None)
}

/// `outer.<locals>.Account.__init__` -> `Account.__init__`.
fn plain(qualname: &str) -> &str {
    qualname.rsplit("<locals>.").next().unwrap_or(qualname)
}

/// An attribute set by a method belongs to the method's class.
fn member(qualname: &str, attribute: &str) -> String {
    match plain(qualname).rsplit_once('.') {
        Some((class, _)) => format!("{class}.{attribute}"),
        None => attribute.to_owned(),
    }
}
