//! The class of a block order that `carwalk inspect` tells, held against the definition of each
//! class.

use std::collections::{HashMap, HashSet};

use crate::harness::run_on;
use carwalk_testkit::breakage::sample;
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::random::Random;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::Node;
use carwalk_testkit::{legal, random};

fn order(car: &[u8]) -> String {
    let run = run_on(["inspect", "--json"], car);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.json()[0]["block_order"].as_str().unwrap().to_owned()
}

#[test]
fn each_order_has_its_class() {
    let class = |order: Order| match order {
        Order::Preorder | Order::PreorderRepeating => "pre-order",
        Order::Pds => "PDS order",
        _ => "other",
    };
    for written in Order::ALL {
        assert_eq!(order(&sample().to_bytes(written)), class(written), "{written:?}");
        for seed in 0..cases(8) {
            let repo = random::repo(seed, 300).repo;
            // In a tree of one node the orders cannot be told apart.
            if repo.root.blocks().len() > 20 {
                assert_eq!(
                    order(&repo.to_bytes(written)),
                    class(written),
                    "{written:?} of seed {seed}"
                );
            }
        }
    }
}

#[test]
fn only_blocks_after_the_last_are_disregarded() {
    let class = |name: &str| order(&legal::case(name));
    assert_eq!(class("empty_repository"), "pre-order");
    assert_eq!(class("shared_record"), "pre-order");
    assert_eq!(class("shared_record_repeated"), "pre-order");
    assert_eq!(class("every_block_twice"), "pre-order");
    assert_eq!(class("stray_not_cbor"), "pre-order");
    assert_eq!(class("blocks_thrice_in_a_row"), "other");
    let mut car = sample().to_car(Order::Preorder);
    car.push_block(b"\xf6");
    car.sections[5..].rotate_right(1);
    assert_eq!(order(&car.to_bytes()), "other");
}

#[test]
fn classes_are_those_of_the_definition() {
    let mut seen = HashMap::new();
    for seed in 0..cases(15) {
        let Random { repo, car, .. } = random::repo(seed, 40);
        let mut rng = Rng::new(seed);
        let clean =
            [Order::Preorder, Order::PreorderRepeating, Order::Pds].map(|order| repo.to_car(order));
        for mut car in clean.into_iter().chain([Car::parse(&car).unwrap()]) {
            for _ in 0..2 {
                let class = defined(&repo, &car);
                assert_eq!(order(&car.to_bytes()), class, "seed {seed}");
                *seen.entry(class).or_insert(0) += 1;
                let first = rng.below(car.sections.len() - 1);
                car.sections.swap(first, first + 1);
            }
        }
    }
    assert!(
        ["pre-order", "PDS order", "other"].iter().all(|class| seen[class] > cases(5)),
        "{seen:?}"
    );
}

/// The class of a CAR in the words of the definition, slowly.
fn defined(repo: &Repo, car: &Car) -> &'static str {
    let sections: Vec<Cid> =
        car.sections.iter().map(|section| Cid::from_bytes(&section.cid).unwrap()).collect();
    let due: Vec<Cid> =
        repo.blocks(Order::PreorderRepeating).into_iter().map(|(cid, _)| cid).collect();
    let place = |cid: &Cid| sections.iter().position(|section| section == cid).unwrap();
    let is_pre_order = {
        let mut next = 0;
        due.iter().all(|cid| {
            let is_next = sections.get(next) == Some(cid);
            next += usize::from(is_next);
            is_next || sections[..next].contains(cid)
        })
    };
    if is_pre_order {
        return "pre-order";
    }
    let mut seen = HashSet::new();
    let is_walk_order = due.iter().filter(|cid| seen.insert(**cid)).map(place).is_sorted();
    let texts: Vec<String> = sections.iter().map(Cid::to_string).collect();
    let descends =
        |from: usize, to: usize| texts[from..=to].windows(2).all(|pair| pair[0] > pair[1]);
    let mut links = vec![(repo.commit_cid(), repo.root.cid())];
    collect_links(&repo.root, &mut links);
    let links_fit = links.iter().all(|(parent, child)| {
        let (parent, child) = (place(parent), place(child));
        parent < child || descends(child, parent)
    });
    let nodes: Vec<Cid> = repo.root.blocks().into_iter().map(|(cid, _)| cid).collect();
    let last_node = nodes.iter().map(place).max();
    let first_record = repo.entries().iter().map(|(_, cid)| place(cid)).min();
    let is_distinct = sections.iter().collect::<HashSet<_>>().len() == sections.len();
    let is_pds = is_distinct
        && links_fit
        && !is_walk_order
        && first_record.is_some_and(|record| Some(record) < last_node);
    if is_pds { "PDS order" } else { "other" }
}

fn collect_links(node: &Node, links: &mut Vec<(Cid, Cid)>) {
    for child in node.links().filter_map(|link| link.node()) {
        links.push((node.cid(), child.cid()));
        collect_links(child, links);
    }
    links.extend(node.entries.iter().map(|entry| (node.cid(), entry.value_cid().unwrap())));
}
