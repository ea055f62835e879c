//! Two threads take two locks in opposite order: one of them is told instead of hanging for ever.

use std::sync::{Arc, Barrier};

use raddle::{LockError, Mutex};
use raddle_report::{Style, render};

fn transfer(from: &Mutex<i64>, to: &Mutex<i64>, amount: i64, both_hold_one: &Barrier) -> Result<(), LockError> {
    let mut source = from.lock()?;
    both_hold_one.wait();
    let mut target = to.lock()?;
    *source -= amount;
    *target += amount;
    Ok(())
}

fn main() {
    raddle::on_verdict(|verdict| eprint!("{}", render(verdict, &Style::for_stderr())));
    let checking = Arc::new(Mutex::named("checking", 100));
    let savings = Arc::new(Mutex::named("savings", 100));
    let gate = Arc::new(Barrier::new(2));
    let start = |name, from: &Arc<Mutex<i64>>, to: &Arc<Mutex<i64>>, amount| {
        let (from, to, gate) = (from.clone(), to.clone(), gate.clone());
        raddle::spawn(name, move || transfer(&from, &to, amount, &gate)).expect("a thread")
    };
    let threads = [start("to-savings", &checking, &savings, 30), start("to-checking", &savings, &checking, 20)];
    for thread in threads {
        let name = thread.thread().name();
        match thread.join().expect("no panic") {
            Ok(()) => println!("{name}: done"),
            Err(error) => println!("{name}: {error}"),
        }
    }
    println!("balances: {:?} {:?}", checking.lock().map(|v| *v), savings.lock().map(|v| *v));
}
