use carwalk::sync::{Action, CommitMessage, Message, Operation, Rule, Verifier};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::message::{frame as encode, header};

/// Any bytes are a message or an error that names a rule. What is parsed, written by the testkit
/// and parsed again is the same. A check of it never panics.
pub fn frame(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => {
            let rule = error.reason().rule();
            assert!(matches!(rule, Some(Rule::Frame | Rule::Field)), "{error}");
            return;
        }
    };
    assert!(Message::parse(&data[..data.len() - 1]).is_err());
    if let Some(written) = written(&message) {
        let again = Message::parse(&written).unwrap();
        assert_eq!(fields(&again), fields(&message));
    }
    let is_checked = matches!(message, Message::Commit(_) | Message::Sync(_));
    let verdict = Verifier::new(|| std::time::UNIX_EPOCH).examine(message, None).against(None);
    assert_eq!(verdict.name() == "passed", !is_checked);
    let reason = verdict.reason().map(ToString::to_string);
    assert!(reason.is_none_or(|reason| !reason.is_empty()));
}

/// The fields of a message, without the length of its frame.
fn fields(message: &Message<'_>) -> String {
    let mut message = message.clone();
    match &mut message {
        Message::Commit(message) => message.frame_len = None,
        Message::Sync(message) => message.frame_len = None,
        _ => {}
    }
    format!("{message:?}")
}

/// The frame with the fields of a message and no others.
fn written(message: &Message<'_>) -> Option<Vec<u8>> {
    let text = |value: &str| Value::text(value);
    let mut pairs: Vec<(&str, Option<Value>)> = vec![("seq", message.seq().map(Value::Uint))];
    match message {
        Message::Commit(message) => commit(message, &mut pairs),
        Message::Sync(message) => pairs.extend([
            ("did", Some(text(message.did))),
            ("rev", Some(text(message.rev))),
            ("blocks", Some(Value::Bytes(message.blocks.to_vec()))),
        ]),
        Message::Identity(message) => {
            pairs.extend([("did", Some(text(message.did))), ("handle", message.handle.map(text))])
        }
        Message::Account(message) => pairs.extend([
            ("did", Some(text(message.did))),
            ("active", Some(Value::Bool(message.active))),
            ("status", message.status.map(text)),
        ]),
        Message::Info(message) => {
            pairs.extend([
                ("name", Some(text(message.name))),
                ("message", message.message.map(text)),
            ]);
        }
        Message::Error(message) => {
            pairs.extend([
                ("error", Some(text(message.error))),
                ("message", message.message.map(text)),
            ]);
        }
        Message::Other(message) => {
            let name = message.type_name.map(|name| ("t", text(name)));
            let head = Value::map(name.into_iter().chain([("op", Value::Int(message.op))]));
            return Some(encode(&head, &Value::Raw(message.body.to_vec())));
        }
        _ => return None,
    }
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let head = match message.type_name() {
        Some(name) => header(name),
        None => Value::map([("op", Value::Int(-1))]),
    };
    Some(encode(&head, &Value::map_sorted(pairs)))
}

fn commit(message: &CommitMessage<'_>, pairs: &mut Vec<(&str, Option<Value>)>) {
    pairs.extend([
        ("repo", Some(Value::text(message.repo))),
        ("rev", Some(Value::text(message.rev))),
        ("since", Some(message.since.map_or(Value::Null, Value::text))),
        ("commit", Some(link(&message.commit))),
        ("prevData", message.prev_data.as_ref().map(link)),
        ("blocks", Some(Value::Bytes(message.blocks.to_vec()))),
        ("ops", Some(Value::Array(message.ops.iter().map(operation).collect()))),
    ]);
}

fn operation(op: &Operation<'_>) -> Value {
    assert_eq!(Action::from_name(op.action.name()), op.action);
    let pairs = [
        ("action", Some(Value::text(op.action.name()))),
        ("path", Some(Value::text(&*op.path))),
        ("cid", Some(op.cid.as_ref().map_or(Value::Null, link))),
        ("prev", op.prev.as_ref().map(link)),
    ];
    Value::map_sorted(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn link(cid: &carwalk::Cid) -> Value {
    Value::Link(cid.to_string().parse::<KitCid>().unwrap())
}
