//! The part of `--help` after the options: how a command works, an example, and exit codes. Each
//! option has one or two lines, so that a help text fits a screen or two.

/// The exit codes. `no` is the meaning of 1, for commands that have it.
macro_rules! codes {
    ($($no:literal)?) => {
        concat!(
            "\n\nExit codes: 0 done, ",
            $("1 ", $no, ", ",)?
            "2 wrong usage, 3 invalid data,\n4 a block is missing, 5 reading or writing failed. \
             See `carwalk --help`."
        )
    };
}

/// Appends the example and the exit codes to the description of a command.
macro_rules! help {
    ($about:literal, $example:literal $(, no = $no:literal)?) => {
        concat!($about, "\n\nExample:\n  ", $example, codes!($($no)?))
    };
}

pub(crate) const TOP: &str = "\
Every command checks the framing of the CAR, the hash of every block, the commit, and the rules of
the Merkle Search Tree in each node that it reads; `verify` reads all nodes. The exceptions are
`inspect`, `tree` and `ls --partial`: they also open damaged CARs, and check only the blocks that
they reach. `verify` and `get` check the commit's signature if they are given keys.

Example:
  carwalk ls repo.car

Exit codes:
  0  done; also if the program that reads text output, other than rows of `export`, ended early,
     as `head` does
  1  the answer is no. `get`, `tree`: the tree proves the record absent. `diff`: the two differ.
     `verify`: another account, or an invalid signature. `firehose`: a message is out of sync
  2  wrong usage; also an output file that exists already, a folder that is not empty, a report or
     folder of another run, or binary output that would go to a terminal. `firehose`: also a
     malformed file of keys or states
  3  invalid data: the CAR, a kept spill file, rows, a report or a DID document; also a truncated
     CAR, a limit exceeded (except --max-spill), or an invalid repo path. `get`, `blobs`,
     `ls --records`: also a record that is not CBOR. `get`, `prove`, `pack`, `tree`: also another
     account. `pack`: also an older revision than the first CAR's. `get`: also an invalid signature.
     `verify --strict`: also an odd record. `firehose`: a message is invalid
  4  the CAR is partial: a block that the command needs is missing. `firehose`: a message is
     unverifiable
  5  reading, mapping or writing failed, also of a spill file; --max-spill was reached; the program
     that reads binary output or rows (`prove`, `pack`, `get --raw`, `export`) ended early

The signal SIGBUS ends carwalk if another process truncates a mapped file, or if the system cannot
read a part of it: shells show exit code 135 on Linux. With --no-mmap, no file is mapped.

Control characters are printed escaped, and so are characters that change the direction of text.
NO_COLOR turns colours off.";

pub(crate) const LS: &str = help!(
    "\
Prints one line for each record: `collection/rkey TAB cid`. Only the records in the range, and the
nodes that can contain their keys, must be present. If one is missing, the records before it are
listed, the error names the missing keys, and the exit code is 4. An invalid repo path is named on
stderr, the other records are listed, and the exit code is 3.

With --partial, missing and bad subtrees and bad records are named on stderr. Missing and bad
records have the size `-`, invalid repo paths are listed escaped, and none of these changes the exit
code. If the CAR is damaged, the sections before the damage are read. With --records, a record that
is not CBOR is named on stderr and has the JSON `null`, and the exit code is 3.",
    "carwalk ls -l --collection app.bsky.feed.post repo.car"
);

pub(crate) const TREE: &str = help!(
    "\
Prints one line for each node, indented by its depth: layer, CID, number of entries, first and last
key of the entries. The root of a subtree that is missing is marked `(missing)`, of one that is
invalid `(bad)`, of one below --depth `(not shown)`. None of these changes the exit code. A bad
subtree is named on stderr. The layer of a missing root is `?`. Records are not needed. Keys that
are not repo paths are printed escaped.

With PATH, only the nodes on the way to the key are needed. The last line is `present` and the CID
of the record, `absent`, or `unknown`. The exit code is 1 if the key is absent, 3 if a node on the
way is bad or the repository is of another account, and 4 if a node on the way is missing.",
    "carwalk tree --depth 1 repo.car",
    no = "the key is absent"
);

pub(crate) const DIFF: &str = help!(
    "\
Prints one line for each change, in key order, with these columns, separated by tabs:
  +  path  new CID                                   the record was created
  -  path  old CID                                   it was deleted
  ~  path  old CID  new CID                          it was updated
  ?  after  before  CID of a missing node  old|new   unknown: the keys between
An empty `after` or `before` means that there is no bound. Keys that are not repo paths are printed
escaped. Records are not needed, and neither are the nodes that both trees have. Different accounts
are named on stderr and do not change the exit code.

The rows of --rows are the old side. They are what `ls` and `ls --partial` print: `path TAB cid`, in
ascending order of the keys' bytes. Further columns are ignored.

The exit code is 0 if the two are equal, 1 if they differ, and 4 if any change is unknown.",
    "carwalk diff old.car new.car",
    no = "different"
);

pub(crate) const GET: &str = help!(
    "\
Only the nodes on the way to the record are needed: the CAR may be partial, like a response of
com.atproto.sync.getRecord. The exit code is 1 if the tree proves the record absent, 3 if the
repository is of another account or the signature is invalid, and 4 if the CAR cannot tell. Records
with invalid repo paths cannot be printed.

Links are printed as {\"$link\": \"..\"}, bytes as {\"$bytes\": \"..\"} in base64 without padding.
Items without a JSON form are printed as {\"$cbor\": \"..\"}. Oddities of the record are named on
stderr and do not change the exit code. A record that is not CBOR is not printed, and the exit code
is 3: use --raw. The output of --raw is the whole record only if the exit code is 0.",
    "carwalk get --did-doc did.json repo.car app.bsky.actor.profile/self",
    no = "the record is absent"
);

pub(crate) const UNPACK: &str = help!(
    "\
Each file has the JSON that `get` prints. All records in the range must be present: if a block is
missing or bad, the files before it remain. An invalid repo path is named on stderr, and so is a
record that is not CBOR. Neither is written, the other records are, and the exit code is 3. FOLDER
has all records only if the exit code is 0.

In names, bytes other than `a-z 0-9 . _ - ~` are written as %XX, so that names differ on file
systems that ignore case too. So are a dot at the end, and the first byte of a name that Windows
reserves, such as `con`. A name of more than 200 bytes is cut into folders of at most 200 bytes that
end in `+`. To get the path back, join the parts of a name and decode %XX.

Files are written to temporary files in FOLDER, `.carwalk+` and six letters, and renamed. After a
signal one may remain and can be deleted.",
    "carwalk unpack repo.car -o records"
);

/// Returns the help of an export, also of the programs with another format: `command` is how the
/// example begins.
pub(crate) fn export(command: &str) -> String {
    let example = format!("{command} repo.car -o rows/ --report report.jsonl");
    [EXPORT, "\n\nExample:\n  ", &example, codes!()].concat()
}

const EXPORT: &str = "\
Writes one row for each record, in key order within each INPUT: the columns did, rev, collection,
rkey, cid, size, time (of the record key), created_at, subject, record (JSON), and on request
record_cbor. A failed INPUT has no rows and does not stop the others. Invalid repo paths are
counted, and the exit code is 3; they have rows if they have two halves. The largest exit code
counts. A folder stands for its *.car, *.car.gz and *.car.zst.

To a file or standard output, rows are in the order of the INPUTS. A file gets its name when it is
complete. If OUT is a folder or ends with a slash, it gets parts with the rows of whole INPUTS. A
part gets its name when it is complete. The same command with the same --report and folder then
continues where an earlier one ended. If the reader of a pipe ends early, the exit code is 5.";

pub(crate) const INSPECT: &str = help!(
    "\
Missing blocks are counted. Neither they nor damage to the CAR or the tree is an error: the exit
code is 0. The commits in the CAR are listed if there are several, or if the tree is partial or
damaged: the first 16 and the opened one, with the state of their trees. The others are counted. At
most 10,000 collections are listed, and the others are counted.

The block order is one of:
  pre-order  the commit, the root, and after each node its subtrees and records from left to right;
             blocks after the last block of the tree are ignored
  PDS order  as the reference PDS exports: newest revision first, within a revision by descending
             CID text
  other",
    "carwalk inspect repo.car"
);

pub(crate) const BLOBS: &str = help!(
    "\
Prints one line for each reference, in key order: `cid TAB size TAB MIME type TAB path`. Size and
MIME type are those that the record states; the legacy form states no size, which is printed as `-`.
The blobs themselves are not part of a CAR.

An invalid repo path is named on stderr, and the other records are searched. A record that is not
CBOR is named on stderr too, and its references before the first invalid byte are listed. In both
cases the exit code is 3. --cids prints no CIDs if a block is missing, and needs about 150 bytes of
memory for each CID.",
    "carwalk blobs --cids repo.car | comm -3 - listed.txt"
);

pub(crate) const PROVE: &str = help!(
    "\
The proof has the commit, the nodes on the way to each PATH and to all keys of the range, and the
records. A PATH without a record is proven absent. Invalid repo paths are proved as part of a range
only. The repository may be partial. Read a proof with `get`, with `ls` and the same range, with
`ls --partial`, or with `verify --partial`.

The proof is written to a temporary file beside OUT, `.carwalk-` and six letters, and renamed. After
a signal that file may remain and can be deleted. On standard output, a pipe or a device, the output
is a proof only if the exit code is 0. With --force, OUT is replaced. The new file has the
permissions of the old one; if OUT is a symbolic link, its target is replaced.",
    "carwalk prove repo.car app.bsky.actor.profile/self -o proof.car"
);

pub(crate) const PACK: &str = help!(
    "\
The new CAR is in pre-order: the commit, the root node, then depth first, each record after its
entry. Unreached blocks are left out, and so is a record if an equal one is among the last 65,536
written. One line on stderr counts the blocks that were left out, and the repeats of records.

Several CARs are one repository: the snapshot, and responses of com.atproto.sync.getRepo with
`since`. The commit with the greatest revision is packed. Blocks are looked up in all CARs, so each
may be partial or have only a header. All must be of one account. A CAR that is older than the
first, or two commits with one revision, are refused: exit code 3.

OUT is written and replaced as by `prove`. With --bare-tree, further CARs only add blocks.",
    "carwalk pack repo.car -o packed.car"
);

pub(crate) const VERIFY: &str = help!(
    "\
Checks the framing, every block against its CID, the commit, every rule of the tree, and that each
node and record is present and each key a valid repo path. An error ends it, an invalid path does
not. With --partial, missing blocks are counted, and bad subtrees and records do not end it. The
first 20 problems are named on stderr, the others are counted. Without a key the signature is not
checked. An audit log (https://plc.directory/DID/log/audit) has old keys; carwalk trusts the log.

--records prints `path TAB place in the record TAB oddity`. Oddities are violations of the data
model, a `$type` that is missing or not the collection, and sizes over 1,000,000 bytes.

Of several inputs, a folder (*.car, *.car.gz, *.car.zst), --files-from or --report, it prints one
line each: `path TAB outcome TAB did TAB rev TAB records TAB reason`. The largest exit code counts.
Outcomes are done, failed, and skipped: the report has it as done, or it is not of --did.",
    "carwalk verify --did-doc did.json repo.car",
    no = "another account or invalid signature"
);

pub(crate) const FIREHOSE: &str = help!(
    "\
Formats: `frame`, one frame per file; `varint`, frames each behind its length; `json`, values with
white space between: as `goat firehose --blocks` prints them, {\"header\":..,\"body\":..},
or bodies. Frames of more than 5,000,000 bytes are skipped. After a malformed length or a JSON
syntax error, the rest of the file is not read.

Prints one line for each message, in the order of the input: `seq TAB did TAB rev TAB verdict TAB
reason`, with `-` for a missing value. The verdicts are:
  valid         the message proves its operations, and continues from the account's state
  invalid       it breaks a rule, with which the reason begins
  unverifiable  it lacks what would prove it: refuse it like an invalid one
  out_of_sync   it does not continue from the state: get the repository again
  stale         its revision is not after the state's
  passed        it is of a type that is not checked
The first message of an account without a state may be an old one. Without a key, the signature is
not checked. In the JSON, `anchored` is whether there was a state, and `signature` is `checked` or
`unchecked`.

A file of states has lines {\"did\":..,\"rev\":..,\"data\":..}, sorted by DID. A missing
file is empty. Only valid messages change a state. The file is replaced at the end, also if messages
were invalid or an input could not be read, but not after a signal or if the output failed. Memory
grows by about 300 bytes for each account.

The exit code is 5 if an input cannot be read, else 3 if any message is invalid, else 4 if any is
unverifiable, else 1 if any is out of sync. The counts are printed on stderr.",
    "carwalk firehose --state state.json frames.bin",
    no = "a message is out of sync"
);

pub(crate) const COMPLETIONS: &str = "\
Save the output where the shell looks for completions. For zsh that is a file `_carwalk` in a
directory of $fpath, for fish ~/.config/fish/completions/carwalk.fish.

Example:
  carwalk completions bash > ~/.local/share/bash-completion/completions/carwalk

Exit codes: 0 done, 2 wrong usage, 5 writing failed.";
