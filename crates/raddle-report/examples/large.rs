//! Writes a recording of fifty threads and a million events, to see what becomes of it: `cargo run -p raddle-report
//! --example large > large.rec`.

use std::io::Write;

#[path = "../tests/common/large.rs"]
#[allow(dead_code)]
mod large;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(&large::large())
}
