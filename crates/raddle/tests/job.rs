//! Jobs of Rust programs on the real clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use raddle::timer::{self, Every, JobError, Missed};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn forty_runs_do_not_drift() {
    let off = || {
        let begun = Instant::now();
        timer::every(Every::new(ms(50)).times(40), || ()).unwrap().join().unwrap();
        begun.elapsed().abs_diff(ms(2000))
    };
    // The machine may be busy with something else once.
    assert!((0..3).any(|_| off() <= ms(10)));
}

#[test]
fn jobs_that_block_do_not_keep_each_other_waiting() {
    let begun = Instant::now();
    let jobs: Vec<_> = (0..30).map(|_| timer::after(ms(20), || sleep(ms(200))).unwrap()).collect();
    jobs.iter().for_each(|job| job.join().unwrap());
    assert!(begun.elapsed() < ms(2000), "one after the other they take six seconds");
}

#[test]
fn a_panic_ends_its_run_and_is_what_the_last_run_came_to() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let job = timer::every(Every::new(ms(10)).times(3), move || {
        assert_eq!(count.fetch_add(1, Ordering::SeqCst) % 2, 1, "every other run");
    });
    let job = job.unwrap();
    let Err(JobError::Panicked(message)) = job.join() else { panic!("its last run panicked") };
    assert!(message.contains("every other run"), "{message}");
    assert_eq!((runs.load(Ordering::SeqCst), job.stats().failed), (3, 2));
    assert_eq!(job.last_error().as_deref(), Some(message.as_str()));
}

#[test]
fn a_run_that_was_missed_during_a_pause_is_told_and_what_it_kept_is_dropped() {
    struct Kept(std::sync::mpsc::Sender<Duration>);
    impl Drop for Kept {
        fn drop(&mut self) {
            self.0.send(Duration::ZERO).unwrap();
        }
    }
    let (sender, receiver) = channel();
    let kept = Kept(sender);
    let hour = Duration::from_secs(3600);
    let paused = timer::at(timer::At::new(SystemTime::now() + ms(10)).misfire_grace(ms(20)), move || drop(kept));
    let paused = paused.unwrap();
    paused.pause();
    sleep(ms(100));
    // Who has waited since before that is woken.
    let waiter = std::thread::spawn({
        let paused = paused.clone();
        move || paused.join()
    });
    sleep(ms(50));
    paused.resume().unwrap();
    let joined = waiter.join().unwrap();
    assert!(matches!(joined, Err(JobError::Missed { late, .. }) if late > ms(20) && late < hour), "{joined:?}");
    receiver.recv_timeout(Duration::from_secs(5)).expect("it is dropped though the job is kept");
}

#[test]
fn runs_overlap_as_far_as_they_may() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (r, m) = (Arc::clone(&running), Arc::clone(&most));
    let every = Every::new(ms(10)).missed(Missed::CatchUp).max_instances(3).times(9).at_once();
    let job = timer::every(every, move || {
        m.fetch_max(r.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(ms(100));
        r.fetch_sub(1, Ordering::SeqCst);
    });
    job.unwrap().join().unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn an_interval_that_is_none_is_refused() {
    let refused = |every| timer::every(every, || ()).unwrap_err().to_string();
    assert_eq!(refused(Every::new(Duration::ZERO)), "the interval must be 1ms or longer, it is 0ns");
    assert_eq!(
        refused(Every::new(ms(10)).jitter(ms(11))),
        "the jitter must not be longer than the interval, 10ms; it is 11ms"
    );
}

#[test]
fn a_wait_for_a_job_has_an_end() {
    let job = timer::after(Duration::from_secs(3600), || ()).unwrap();
    assert_eq!(job.join_for(ms(20)), None);
    let left = job.next_run().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(3590));
    assert!(job.cancel());
    assert_eq!((job.join(), job.next_run()), (Err(JobError::Cancelled), None));
}
