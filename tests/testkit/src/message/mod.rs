//! Messages of the live stream: honest ones from random batches of operations, and false ones.
//!
//! - [`Batch`] is the records before and after a commit, with the operations between them.
//! - [`CommitMessage`] is a `#commit` whose every field a test can change before it is encoded.
//! - [`falsify`] changes one fact of a message.
//! - [`Truth`] decides from all records whether a message is valid.
//!
//! ```
//! use carwalk_testkit::message::{Batch, Truth, falsify};
//! use carwalk_testkit::rng::Rng;
//!
//! let mut rng = Rng::new(1);
//! let batch = Batch::random(&mut rng);
//! let mut message = batch.message();
//! let truth = Truth::of(&batch);
//! assert_eq!(truth.judge(&message), Ok(()));
//! let fact = falsify(&mut message, &batch, &mut |bound| rng.below(bound));
//! assert!(truth.judge(&message).is_err(), "{fact}");
//! ```

mod batch;
mod fact;
mod frame;
mod proof;
mod random;
mod truth;

pub use self::batch::{Batch, Records, SINCE};
pub use self::fact::falsify;
pub use self::frame::{
    AccountMessage, CommitMessage, IdentityMessage, Operation, SyncMessage, TIME, frame, header,
    named_frame,
};
pub use self::proof::{Proof, all_nodes, new_nodes, nodes_for, proof_nodes};
pub use self::truth::Truth;
