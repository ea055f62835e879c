//! A worker is stopped out of a wait and says why; a deadline; a scope whose threads go down together.

use std::sync::Arc;
use std::time::Duration;

use raddle::queue::{GetError, Queue};
use raddle::{Scope, StartError, within};

/// Adds up what comes, until it is told to stop.
fn add_up(parcels: &Queue<u32>) -> u32 {
    let mut sum = 0;
    loop {
        match parcels.get() {
            Ok(parcel) => sum += parcel,
            Err(GetError::Stopped(stopped)) => {
                println!("the worker: {stopped}");
                return sum;
            }
            Err(other) => unreachable!("{other}"),
        }
    }
}

fn a_worker() -> Result<(), StartError<u32>> {
    let parcels = Arc::new(Queue::named("parcels", 0));
    (1..=3).for_each(|parcel| parcels.put(parcel).expect("it is open"));
    let inside = Arc::clone(&parcels);
    let worker = raddle::Builder::new().name("worker").spawn(move || add_up(&inside))?;
    while !parcels.is_empty() {
        std::thread::yield_now();
    }
    worker.stop("the shop closes");
    println!("the worker has added up {:?}", worker.join());
    Ok(())
}

fn a_deadline() {
    let parcels: Queue<u32> = Queue::named("parcels", 0);
    match within(Duration::from_millis(20), || parcels.get()) {
        Ok(parcel) => println!("a parcel: {parcel:?}"),
        Err(elapsed) => println!("no parcel: {elapsed}"),
    }
}

fn a_scope(prices: &[&str]) {
    let parsed = Scope::builder().timeout(Duration::from_secs(10)).run(|scope| {
        scope.spawn("heart", || {
            let beaten = raddle::sleep(Duration::from_secs(3600));
            println!("the heart: {}", beaten.expect_err("an hour has not passed"));
        });
        for price in prices {
            scope.try_spawn(price, || price.parse::<u32>());
        }
    });
    match parsed {
        Ok(()) => println!("all are prices"),
        Err(error) => println!("{error}"),
    }
}

fn main() {
    a_worker().expect("a thread");
    a_deadline();
    a_scope(&["12", "thirty", "7"]);
}
