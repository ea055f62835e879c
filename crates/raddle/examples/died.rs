//! A thread panics: whoever joins it is told who it was and who started it, and so is the program.

use raddle_report::{Style, render};

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    raddle::on_verdict(|verdict| eprint!("{}", render(verdict, &Style::for_stderr())));
    let worker = raddle::spawn("add-up", || "12.50".parse::<u32>().expect("a price in cents")).expect("a thread");
    match worker.join() {
        Ok(total) => println!("total: {total}"),
        Err(error) => println!("no total: {error}"),
    }
}
