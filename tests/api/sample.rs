//! The sample repository is the one that the testkit makes.

#[test]
fn the_sample_is_what_its_generator_writes() {
    let sample: &[u8] = include_bytes!("../../samples/repo.car");
    assert!(
        sample == carwalk_testkit::sample::car(),
        "write it anew: see tests/testkit/examples/make-sample.rs"
    );
}
