//! The sample repository is the one that the testkit makes.

pub(crate) const SAMPLE: &[u8] = include_bytes!("../../samples/repo.car");

#[test]
fn the_sample_is_what_its_generator_writes() {
    assert!(
        SAMPLE == carwalk_testkit::sample::car(),
        "write it anew: see tests/testkit/examples/make-sample.rs"
    );
}
