//! Worker threads: order, bounds, stopping and panics.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use carwalk_batch::{Delivery, Ending, Failure, Order, Sender, Stop, Threads};

fn threads(jobs: usize) -> Threads {
    Threads::new(NonZeroUsize::new(jobs).unwrap())
}

/// Does some work that takes longer for some inputs than for others.
fn work(input: u64) -> u64 {
    (0..input * 7919 % 5_000).fold(input, |sum, step| std::hint::black_box(sum ^ step << 20));
    input * input
}

#[test]
fn results_come_in_the_order_of_the_inputs() {
    let inputs: Vec<u64> = (0..500).collect();
    for jobs in [1, 2, 7] {
        let mut results = Vec::new();
        let ending = threads(jobs).run(
            &inputs,
            || (),
            |(), input, _: &Sender<'_, Infallible, u64>| work(*input),
            |delivery| {
                let Delivery::Result { input, result } = delivery;
                assert_eq!(result, input * input);
                results.push(*input);
                ControlFlow::Continue(())
            },
        );
        assert_eq!((ending, &results), (Ending::Complete, &inputs));
    }
}

#[test]
fn without_inputs_nothing_is_done() {
    let ending = threads(3).run(
        &[0_u64; 0],
        || panic!("no thread is needed"),
        |(), input, _: &Sender<'_, Infallible, u64>| *input,
        |_| panic!("nothing is delivered"),
    );
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn as_they_finish_nobody_waits_for_the_first() {
    let inputs: Vec<u64> = (0..40).collect();
    let (mut results, release) = (Vec::new(), Barrier::new(2));
    threads(2).order(Order::Finished).run(
        &inputs,
        || (),
        |(), input, _: &Sender<'_, Infallible, ()>| {
            // The first input ends only after all others were delivered.
            if *input == 0 {
                release.wait();
            }
        },
        |delivery| {
            let Delivery::Result { input, .. } = delivery;
            results.push(*input);
            if results.len() == inputs.len() - 1 {
                release.wait();
            }
            ControlFlow::Continue(())
        },
    );
    assert_eq!(results.pop(), Some(0));
    results.sort_unstable();
    assert_eq!(results, inputs[1..]);
}

#[test]
fn pieces_of_an_input_come_together() {
    let inputs: Vec<u64> = (0..60).collect();
    for (jobs, waiting) in [(1, 0), (1, 10), (2, 0), (3, 10), (3, 1 << 20)] {
        for order in [Order::Inputs, Order::Finished] {
            let (mut pieces, mut done) = (Vec::new(), Vec::new());
            let ending = threads(jobs).order(order).waiting(waiting).run(
                &inputs,
                || (),
                |(), input, sender| {
                    for number in 0..input % 20 {
                        sender.send((*input, number), 3).unwrap();
                    }
                    input % 20
                },
                |delivery| {
                    match delivery {
                        Delivery::Piece { input, piece } => {
                            assert_eq!(piece, (*input, pieces.len() as u64));
                            pieces.push(piece);
                        }
                        Delivery::Result { input, result } => {
                            assert_eq!(pieces.len() as u64, result);
                            pieces.clear();
                            done.push(*input);
                        }
                    }
                    ControlFlow::Continue(())
                },
            );
            assert_eq!(ending, Ending::Complete);
            if order == Order::Finished {
                done.sort_unstable();
            }
            assert_eq!(done, inputs);
        }
    }
}

/// A piece that counts as waiting while it exists.
struct Counted<'c>(&'c AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(100, Ordering::SeqCst);
    }
}

#[test]
fn what_waits_is_bounded() {
    let inputs: Vec<u64> = (0..50).collect();
    for order in [Order::Inputs, Order::Finished] {
        for jobs in [1, 2, 4] {
            let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
            threads(jobs).order(order).waiting(1_000).run(
                &inputs,
                || (),
                |(), _, sender| {
                    for _ in 0..30 {
                        let sum = now.fetch_add(100, Ordering::SeqCst) + 100;
                        most.fetch_max(sum, Ordering::SeqCst);
                        sender.send(Counted(&now), 100).unwrap();
                    }
                },
                |delivery| {
                    drop(delivery);
                    ControlFlow::Continue(())
                },
            );
            // Each thread also has the piece that it is sending, and the sink has one.
            let bound = jobs as u64 * 1_100 + 100;
            assert!(most.load(Ordering::SeqCst) <= bound, "{most:?} of {bound}");
            assert_eq!(now.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn results_that_wait_for_their_turn_are_bounded() {
    // While the first input is not done, the other thread does not go through all others.
    let inputs: Vec<u64> = (0..10_000).collect();
    let (begun, first) = (AtomicUsize::new(0), AtomicUsize::new(0));
    threads(2).waiting(4 << 10).run(
        &inputs,
        || (),
        |(), input, sender| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *input == 0 {
                // The thread of the other inputs waits when it has five results.
                while begun.load(Ordering::SeqCst) < 6 {
                    std::thread::yield_now();
                }
                sender.send((), 1).unwrap();
                while first.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
            }
        },
        |delivery| {
            if let Delivery::Piece { .. } = delivery {
                first.store(begun.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            ControlFlow::Continue(())
        },
    );
    assert_eq!(first.load(Ordering::SeqCst), 6);
    assert_eq!(begun.load(Ordering::SeqCst), inputs.len());
}

#[test]
fn nothing_is_delivered_after_the_sink_breaks() {
    let inputs: Vec<u64> = (0..1_000).collect();
    for jobs in [1, 3] {
        let (stop, mut delivered) = (Stop::new(), Vec::new());
        let ending = threads(jobs).stop(stop.clone()).run(
            &inputs,
            || (),
            |(), input, _: &Sender<'_, Infallible, u64>| work(*input),
            |delivery| {
                let Delivery::Result { input, .. } = delivery;
                delivered.push(*input);
                if *input == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!((ending, &delivered[..]), (Ending::Stopped, &inputs[..6]));
        assert!(stop.is_set());
    }
}

#[test]
fn a_flag_ends_long_work_and_threads_that_wait_for_room() {
    let inputs: Vec<u64> = (0..3).collect();
    for order in [Order::Inputs, Order::Finished] {
        let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = Stop::watching(Arc::clone(&flag));
        let (sends, gave_up) = ([const { AtomicUsize::new(0) }; 3], AtomicUsize::new(0));
        let endless = |input: u64, sender: &Sender<'_, u64, ()>| -> Result<(), Failure> {
            for number in 0.. {
                if input > 0 {
                    sends[input as usize].fetch_add(1, Ordering::SeqCst);
                    sender.send(number, 7)?;
                    continue;
                }
                stop.check()?;
                // Each of the others may send one piece: the signal comes while one of them waits.
                if sends[1..].iter().all(|count| count.load(Ordering::SeqCst) > 1) {
                    flag.store(true, Ordering::SeqCst);
                }
            }
            Ok(())
        };
        let ending = threads(3).order(order).waiting(10).stop(stop.clone()).run(
            &inputs,
            || (),
            |(), input, sender| {
                if endless(*input, sender).is_err() {
                    gave_up.fetch_add(1, Ordering::SeqCst);
                }
            },
            |_| ControlFlow::Continue(()),
        );
        assert_eq!((ending, gave_up.load(Ordering::SeqCst)), (Ending::Stopped, 3));
    }
}

#[test]
fn a_panic_of_a_worker_goes_on_in_the_calling_thread() {
    let inputs: Vec<u64> = (0..100).collect();
    for jobs in [1, 3] {
        for order in [Order::Inputs, Order::Finished] {
            let panicked = panic::catch_unwind(|| {
                threads(jobs).order(order).run(
                    &inputs,
                    || (),
                    |(), input, _: &Sender<'_, Infallible, u64>| {
                        assert!(*input != 17, "seventeen");
                        *input
                    },
                    |_| ControlFlow::Continue(()),
                )
            });
            let payload = panicked.unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"seventeen"));
        }
    }
}

#[test]
fn a_panic_of_the_sink_ends_the_threads() {
    let inputs: Vec<u64> = (0..100).collect();
    let stop = Stop::new();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        threads(2).stop(stop.clone()).run(
            &inputs,
            || (),
            |(), input, _: &Sender<'_, Infallible, u64>| *input,
            |_| panic!("the sink"),
        )
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"the sink"));
    assert!(stop.is_set());
}

#[test]
fn each_thread_has_one_worker() {
    let inputs: Vec<u64> = (0..200).collect();
    let made = AtomicUsize::new(0);
    let mut calls = HashMap::new();
    threads(3).run(
        &inputs,
        || (made.fetch_add(1, Ordering::SeqCst), 0_usize),
        |(number, count), _, _: &Sender<'_, Infallible, (usize, usize)>| {
            *count += 1;
            (*number, *count)
        },
        |delivery| {
            let Delivery::Result { result: (number, count), .. } = delivery;
            let last = calls.entry(number).or_insert(0);
            *last += 1;
            assert_eq!(*last, count);
            ControlFlow::Continue(())
        },
    );
    assert_eq!(made.load(Ordering::SeqCst), 3);
    assert_eq!(calls.values().sum::<usize>(), inputs.len());
}
