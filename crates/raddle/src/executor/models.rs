//! loom models of futures and pools; see `wait/models.rs`.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::raw_pool::{Next, RawPool};
use super::{Phase, RawFuture};
use crate::wait::modelling::{Sleeper, model};

/// Works until the pool is closed; how many jobs it did.
fn work(pool: &RawPool<usize>, serial: u64, done: &AtomicUsize) {
    let mut worker = pool.work(serial);
    loop {
        match worker.look() {
            Next::Job(job) => {
                done.fetch_add(job, Ordering::SeqCst);
            }
            Next::Nudged => {}
            Next::Nothing => worker.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience"),
            Next::Closed => return,
        }
    }
}

/// A worker finishes while somebody cancels and somebody waits: exactly one of the two happens, the value is there if it
/// was finished, and the waiter wakes either way.
#[test]
fn a_future_is_finished_or_cancelled_and_wakes_its_waiter() {
    model(|| {
        let future = Arc::new(RawFuture::default());
        let value = Arc::new(AtomicUsize::new(0));
        let worker = thread::spawn({
            let (future, value) = (future.clone(), value.clone());
            move || {
                if !future.begin(1).expect("nobody else begins") {
                    return false;
                }
                let claim = future.claim().expect("it cannot be cancelled any more");
                value.store(7, Ordering::Relaxed);
                claim.publish();
                true
            }
        });
        let canceller = thread::spawn({
            let future = future.clone();
            move || future.cancel().is_ok()
        });
        future.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience");
        let finished = future.phase() == Phase::Finished;
        assert!(!finished || value.load(Ordering::Relaxed) == 7);
        assert_eq!(worker.join().unwrap(), finished);
        assert_eq!(canceller.join().unwrap(), !finished);
    });
}

/// The host puts its lock around a future while another thread finishes it: whoever saw the guard first decides, and the
/// guard is never seen in the middle of a completion.
#[test]
fn a_guard_comes_before_or_after_a_completion() {
    model(|| {
        let future = Arc::new(RawFuture::default());
        let worker = thread::spawn({
            let future = future.clone();
            move || future.claim().map(|claim| claim.publish()).is_ok()
        });
        future.guard();
        let seen = future.phase();
        assert!(matches!(seen, Phase::Pending | Phase::Finished));
        assert_eq!(worker.join().unwrap(), seen == Phase::Finished);
    });
}

/// Jobs come while a worker goes to sleep, and nothing else ever wakes it.
#[test]
fn no_job_is_left_to_a_sleeping_worker() {
    model(|| {
        let pool = Arc::new(RawPool::<usize>::default());
        assert!(pool.hire(1));
        let worker = thread::spawn({
            let pool = pool.clone();
            move || {
                let (mut worker, mut done) = (pool.work(1), 0);
                while done < 11 {
                    match worker.look() {
                        Next::Job(job) => done += job,
                        _ => worker.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience"),
                    }
                }
            }
        });
        assert_eq!(pool.submit(1, 1), Ok(false));
        assert_eq!(pool.submit(10, 1), Ok(false));
        worker.join().unwrap();
        assert_eq!(pool.workers(), 0);
    });
}

/// Two workers go to sleep or not while jobs come and the pool is closed: all are done, and both leave.
#[test]
fn a_closed_pool_does_what_it_took() {
    model(|| {
        let (pool, done) = (Arc::new(RawPool::default()), Arc::new(AtomicUsize::new(0)));
        assert!(pool.hire(2));
        assert_eq!(pool.submit(1, 2), Ok(false));
        assert_eq!(pool.submit(10, 2), Ok(true));
        assert!(pool.hire(2));
        let workers: Vec<_> = (1..3)
            .map(|serial| {
                let (pool, done) = (pool.clone(), done.clone());
                thread::spawn(move || work(&pool, serial, &done))
            })
            .collect();
        pool.close();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(done.load(Ordering::SeqCst), 11);
        assert_eq!(pool.workers(), 0);
    });
}

/// Two jobs come one after the other to two workers that sleep, which wakes one: it wakes the other, because its own job
/// may wait for what that one does.
#[test]
fn a_woken_worker_wakes_the_next() {
    model(|| {
        let pool = Arc::new(RawPool::<usize>::default());
        for _ in 0..2 {
            assert_eq!(pool.submit(0, 2), Ok(true));
            assert!(pool.hire(2));
        }
        while pool.take().is_some() {}
        // Each takes one job and never comes back for another before the other has one, too.
        let met = Arc::new(RawFuture::default());
        let workers: Vec<_> = (1..3)
            .map(|serial| {
                let (pool, met) = (pool.clone(), met.clone());
                thread::spawn(move || {
                    let mut worker = pool.work(serial);
                    let job = loop {
                        match worker.look() {
                            Next::Job(job) => break job,
                            _ => {
                                worker.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience")
                            }
                        }
                    };
                    match job {
                        1 => met.sleep(&Arc::default(), &mut Sleeper { patient: true }).expect("it has patience"),
                        _ => met.claim().expect("once").publish(),
                    }
                })
            })
            .collect();
        assert_eq!(pool.submit(1, 2), Ok(false));
        assert_eq!(pool.submit(2, 2), Ok(false));
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// The pool is closed while its first job comes, and whoever closed it waits for the workers: the job is refused, or one of
/// the two finds a worker for it.
#[test]
fn a_job_that_was_taken_finds_a_worker_in_a_closed_pool() {
    model(|| {
        let (pool, done) = (Arc::new(RawPool::default()), Arc::new(AtomicUsize::new(0)));
        let submitter = thread::spawn({
            let (pool, done) = (pool.clone(), done.clone());
            move || {
                let taken = pool.submit(1, 1);
                if taken == Ok(true) && pool.hire(1) {
                    work(&pool, 1, &done);
                }
                taken.is_ok()
            }
        });
        pool.close();
        if !pool.is_empty() && pool.hire(1) {
            work(&pool, 2, &done);
        }
        let taken = submitter.join().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), usize::from(taken));
    });
}

/// A worker that has found nothing closes the pool while a job comes: the job is refused or done, never left behind.
#[test]
fn a_job_is_refused_or_done() {
    model(|| {
        let (pool, done) = (Arc::new(RawPool::default()), Arc::new(AtomicUsize::new(0)));
        assert!(pool.hire(1));
        let worker = thread::spawn({
            let (pool, done) = (pool.clone(), done.clone());
            move || {
                let mut worker = pool.work(1);
                loop {
                    match worker.look() {
                        Next::Job(job) => {
                            done.fetch_add(job, Ordering::SeqCst);
                        }
                        Next::Closed => return,
                        _ if worker.close() => return,
                        _ => {}
                    }
                }
            }
        });
        let taken = pool.submit(1, 1).is_ok();
        worker.join().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), usize::from(taken));
        assert!(pool.is_empty());
    });
}
