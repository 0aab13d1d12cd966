//! The digest of the options that shape the rows.

use carwalk_batch::run_digest;
use carwalk_batch::staging::Encode;

use super::task::Task;

impl<E: Encode> Task<'_, E> {
    /// Returns the digest of the options that shape the rows of inputs that are done.
    ///
    /// Limits and `--legacy` are not among them: they decide which inputs fail, and a later run
    /// with other limits can process those. The folder is, because what is done in a stream is not
    /// done in a folder.
    pub(super) fn run_digest(&self) -> String {
        let options = self.options;
        let mut collections = options.ranges.collections.clone();
        collections.sort_unstable();
        collections.dedup();
        let collections = collections.into_iter().map(|name| ("collection", name));
        let bounds = options.ranges.bounds.given();
        let bounds = bounds.map(|(name, value)| (name, format!("{value:?}")));
        let shape = [
            ("command", "export".to_owned()),
            ("as", self.encoding.extension()),
            ("columns", options.columns.to_string()),
            ("folder", options.is_folder().to_string()),
            ("did", options.did.clone().unwrap_or_default()),
        ];
        let shape: Vec<_> = shape.into_iter().chain(collections).chain(bounds).collect();
        run_digest(shape.iter().map(|(name, value)| (*name, value.as_str())))
    }
}
