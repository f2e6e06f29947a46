//! What every store does.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use netbuild_core::model::AccountId;
use netbuild_flags::source::Loaded;
use netbuild_flags::store::{Change, Changed, Edit, Store, StoreError};
use netbuild_flags::{Definition, DefinitionError, Definitions, FlagKey, GroupName, ValueType};

pub(crate) fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

pub(crate) fn on_for(account: &str) -> Definition {
    Definition { accounts: [AccountId::new(account).unwrap()].into(), ..Definition::default() }
}

pub(crate) fn set(flag: &str, definition: Definition) -> Change {
    Change::new("ada", "a test", vec![Edit::SetFlag(key(flag), definition)])
}

/// The store must be empty.
pub(crate) async fn run(store: Arc<dyn Store>) {
    begins_empty(&store).await;
    changes_are_recorded(&store).await;
    refusals_change_nothing(&store).await;
    history_goes_back(&store).await;
    changes_at_once_lose_none(&store).await;
}

async fn begins_empty(store: &Arc<dyn Store>) {
    assert_eq!(store.load().await.unwrap(), Loaded { definitions: Definitions::default(), revision: Some(0) });
    assert_eq!(store.history(None, None, 10).await.unwrap(), []);
    assert_eq!(store.at(0).await.unwrap(), Definitions::default());
    assert!(store.changed_at().await.unwrap().is_empty());
}

async fn changes_are_recorded(store: &Arc<dyn Store>) {
    let teams = GroupName::new("teams").unwrap();
    let text = r#"account.plan == "team""#.to_owned();
    let edits = vec![
        Edit::SetFlag(key("pods"), Definition { groups: [teams.clone()].into(), ..Definition::default() }),
        Edit::SetGroup(teams.clone(), text.clone()),
        Edit::SetAttribute("account.plan".to_owned(), ValueType::Text),
        Edit::RemoveFlag(key("nobody-has-it")),
    ];
    assert_eq!(store.change(Change::new("ada", "teams first", edits)).await.unwrap(), 1);
    assert_eq!(store.change(set("pods", on_for("acme"))).await.unwrap(), 2);
    assert_eq!(store.change(set("pods", on_for("acme"))).await.unwrap(), 2, "it changes nothing");
    let remove = Edit::RemoveFlag(key("pods"));
    assert_eq!(store.change(set("other", on_for("größe/ä b"))).await.unwrap(), 3);
    assert_eq!(store.change(Change::new("bob", "done", vec![remove])).await.unwrap(), 4);

    let history = store.history(None, None, 10).await.unwrap();
    assert_eq!(history.iter().map(|revision| revision.number).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let (last, first) = (&history[0], &history[3]);
    assert_eq!((last.who.as_str(), last.why.as_str()), ("bob", "done"));
    let removed = Changed::Flag { key: key("pods"), from: Some(Box::new(on_for("acme"))), to: None };
    assert_eq!(last.changed, [removed]);
    assert!(last.at >= first.at && first.at.as_millis() > 0);
    assert_eq!(first.changed.len(), 3);
    assert_eq!(first.changed[1], Changed::Group { name: teams, from: None, to: Some(text) });

    let of_pods = store.history(Some(&key("pods")), None, 10).await.unwrap();
    assert_eq!(of_pods.iter().map(|revision| revision.number).collect::<Vec<_>>(), [4, 2, 1]);
    let page = store.history(Some(&key("pods")), Some(4), 1).await.unwrap();
    assert_eq!(page, [history[2].clone()]);
    let changed_at = store.changed_at().await.unwrap();
    assert_eq!(changed_at, [(key("other"), history[1].at), (key("pods"), history[0].at)].into());
}

async fn refusals_change_nothing(store: &Arc<dyn Store>) {
    let before = store.load().await.unwrap();
    let nobody = GroupName::new("nobody").unwrap();
    let refused = DefinitionError::UnknownGroup { flag: key("pods"), group: nobody.clone() };
    let unknown = set("pods", Definition { groups: [nobody].into(), ..Definition::default() });
    let change = Change { edits: [set("good", on_for("acme")).edits, unknown.edits].concat(), ..unknown };
    let error = store.change(change).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused(found) if *found == refused), "{error}");
    let error = store.change(set("pods", on_for("acme")).of_revision(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { expected: 3, current: 4 }), "{error}");
    let error = store.change(Change { who: " ".to_owned(), ..set("pods", on_for("acme")) }).await.unwrap_err();
    assert!(matches!(error, StoreError::Anonymous), "{error}");
    let error = store.at(5).await.unwrap_err();
    assert!(matches!(error, StoreError::NoRevision(5)), "{error}");
    let error = store.revert(99, "ada", "").await.unwrap_err();
    assert!(matches!(error, StoreError::NoRevision(99)), "{error}");
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.history(None, None, 10).await.unwrap().len(), 4);
}

async fn history_goes_back(store: &Arc<dyn Store>) {
    let at_two = store.at(2).await.unwrap();
    assert_eq!(at_two.flags, [(key("pods"), on_for("acme"))].into());
    assert_eq!((at_two.groups.len(), at_two.attributes.len()), (1, 1));
    assert_eq!(store.at(0).await.unwrap(), Definitions::default());
    assert_eq!(store.at(4).await.unwrap(), store.load().await.unwrap().definitions);
    assert_eq!(store.revert(2, "ada", "it was better").await.unwrap(), 5);
    assert_eq!(store.load().await.unwrap(), Loaded { definitions: at_two, revision: Some(5) });
    let [last] = &store.history(None, None, 1).await.unwrap()[..] else { panic!("one was asked for") };
    assert_eq!((last.why.as_str(), last.changed.len()), ("it was better", 2));
}

async fn changes_at_once_lose_none(store: &Arc<dyn Store>) {
    let change = |n: usize| {
        let store = store.clone();
        async move { store.change(set(&format!("flag-{n}"), on_for("acme"))).await.unwrap() }
    };
    let made: BTreeSet<u64> = join_all((0..20).map(change)).await.into_iter().collect();
    assert_eq!(made, (6..=25).collect());
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.definitions.flags.len(), loaded.revision), (21, Some(25)));
    // Of two who decide for one revision one is refused.
    let for_one = ["a", "b"].map(|account| store.change(set("pods", on_for(account)).of_revision(25)));
    let answers = join_all(for_one).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(26))).count(), 1, "{answers:?}");
    let refused = |answer: &&Result<u64, StoreError>| matches!(answer, Err(StoreError::Conflict { current: 26, .. }));
    assert_eq!(answers.iter().filter(refused).count(), 1, "{answers:?}");
}
