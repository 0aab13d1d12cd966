//! How much of a stream is taken if nobody says: the number itself has a unit test.

use crate::harness::{TempCar, run, run_on};
use carwalk_testkit::repo::{Order, Repo};

#[test]
fn help_tells_how_much_of_a_stream_is_taken() {
    let help = run(["ls", "--help"]).quiet_success();
    let option = help.split_once("--max-stream").unwrap().1.split_once("--memory-limit").unwrap().0;
    assert!(option.contains("[default: 1GiB]"), "{help}");
}

#[test]
fn a_stream_beyond_the_limit_is_refused_in_words_of_the_command_line() {
    let car = Repo::sample(["com.example.test/one"]).to_bytes(Order::Preorder);
    let (all, less) = (car.len(), car.len() - 1);
    let file = TempCar::new(&car);
    for more in [&[][..], &["--memory-limit=0"]] {
        let limit = format!("--max-stream={all}");
        run_on([&["ls", &limit], more].concat(), &car).quiet_success();
        let limit = format!("--max-stream={less}");
        let args = [&["ls", &limit], more].concat();
        for refused in [run_on(&args, &car), file.run(&[&args[..], &["--no-mmap"]].concat())] {
            let error = refused.one_error(3);
            let end =
                format!(": the stream exceeds the limit of {less} bytes (see --max-stream)\n");
            assert!(error.ends_with(&end), "{error}");
        }
    }
}
