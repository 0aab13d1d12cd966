use carwalk::Cid;
use carwalk::cid::Codec;
use carwalk_testkit::cid::Cid as KitCid;

/// CIDs in bytes and text are accepted exactly if the testkit accepts them, and encoding restores
/// them. They convert to CIDs of the `cid` crate and back.
pub fn cid(data: &[u8]) {
    let ours = Cid::parse(data).ok();
    let kit = KitCid::from_bytes(data);
    assert_eq!(ours.map(|cid| *cid.as_bytes()), kit.map(|cid| *cid.as_bytes()));
    if let (Some(ours), Some(kit)) = (ours, kit) {
        assert_eq!(ours.to_string(), kit.to_string());
        assert_eq!(ours.to_string().parse::<Cid>().unwrap(), ours);
        assert_eq!(Cid::try_from(&::cid::Cid::from(ours)).unwrap(), ours);
    }
    foreign(data);
    text(data);
    hashes(data);
}

/// CIDs of the `cid` crate have many forms. Only one of them is accepted.
fn foreign(data: &[u8]) {
    let Ok(theirs) = ::cid::Cid::read_bytes(data) else { return };
    let mut bytes = [0; 256];
    let len = theirs.write_bytes(&mut bytes[..]).unwrap();
    assert_eq!(Cid::try_from(&theirs).ok(), Cid::parse(&bytes[..len]).ok());
}

fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ours = text.parse::<Cid>().ok();
    assert_eq!(
        ours.map(|cid| *cid.as_bytes()),
        text.parse::<KitCid>().ok().map(|cid| *cid.as_bytes())
    );
    if let Some(cid) = ours {
        assert_eq!((cid.to_string().as_str(), cid.to_text().as_str()), (text, text));
    }
}

fn hashes(block: &[u8]) {
    for (codec, kit) in
        [(Codec::Raw, KitCid::raw(block)), (Codec::DagCbor, KitCid::dag_cbor(block))]
    {
        let cid = Cid::of(codec, block);
        assert_eq!(cid.as_bytes(), kit.as_bytes());
        cid.verify(block).unwrap();
        assert!(cid.verify(&[block, &[0]].concat()).is_err());
    }
}
