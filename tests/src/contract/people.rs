//! People, their sessions and API tokens, and the audit log.

use rollcall::store::{ApiTokenRecord, Role, SessionRecord, UserRecord, ViewRecord};
use rollcall_shared::UserId;

use super::{
    Place,
    sample::{HOSTILE, at, audit, id},
};

fn user(n: u128, name: &str) -> UserRecord {
    UserRecord { id: id(n), name: name.into(), password_hash: HOSTILE.into(), role: Role::Viewer, disabled: false, created_at: at(1) }
}

fn session(n: u8, user: UserId, expires: i64) -> SessionRecord {
    SessionRecord { secret_hash: [n; 32], user, csrf: HOSTILE.into(), created_at: at(0), expires_at: at(expires) }
}

/// Names are unique as written; what is replaced is replaced whole.
pub async fn people_come_back_whole(place: Place) {
    let store = place.store().await;
    for (n, name) in [(1, "bob"), (2, HOSTILE), (3, "Bob"), (4, "änne")] {
        assert!(store.create_user(&user(n, name), &audit("user.create")).await.unwrap());
    }
    assert!(!store.create_user(&user(5, "bob"), &audit("user.create")).await.unwrap());
    assert_eq!(store.audit_log(None, 10).await.unwrap().len(), 4, "what changed nothing is not in the audit log");
    let names: Vec<String> = store.users().await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, [HOSTILE, "Bob", "bob", "änne"]);
    for role in Role::ALL {
        let changed = UserRecord { role, disabled: role == Role::Admin, password_hash: role.as_str().into(), ..user(2, HOSTILE) };
        assert!(store.update_user(&changed, false, &audit("user.update")).await.unwrap());
        assert!(store.user(id(2)).await.unwrap() == Some(changed.clone()));
        assert!(store.user_by_name(HOSTILE).await.unwrap() == Some(changed));
    }
    assert!(!store.update_user(&user(404, "x"), true, &audit("user.update")).await.unwrap());
    assert!(store.user_by_name("x\0").await.unwrap().is_none());
    assert!(store.user(id(404)).await.unwrap().is_none());
}

/// A session ends at its instant, when it is ended, and with a change of the password.
pub async fn sessions_end(place: Place) {
    let store = place.store().await;
    store.create_user(&user(1, "ada"), &audit("user.create")).await.unwrap();
    store.create_user(&user(2, "bob"), &audit("user.create")).await.unwrap();
    for session in [session(1, id(1), 10), session(2, id(1), 20), session(3, id(2), 20)] {
        store.create_session(&session).await.unwrap();
    }
    let alive = async |n: u8, now| store.session(&[n; 32], at(now)).await.unwrap().is_some();
    assert!(store.session(&[1; 32], at(9)).await.unwrap() == Some(session(1, id(1), 10)));
    assert_eq!((alive(1, 10).await, alive(2, 10).await, alive(9, 0).await), (false, true, false));
    store.end_session(&[2; 32]).await.unwrap();
    store.end_session(&[9; 32]).await.unwrap();
    assert_eq!((alive(2, 10).await, alive(3, 10).await), (false, true));
    assert!(store.update_user(&user(2, "bob"), false, &audit("user.update")).await.unwrap());
    assert!(alive(3, 10).await);
    assert!(store.update_user(&user(2, "bob"), true, &audit("user.update")).await.unwrap());
    assert!(!alive(3, 10).await);
    assert!(alive(1, 9).await, "another's sessions go on");
}

/// A view is its owner's, by a name that is unique among theirs; what is replaced is replaced whole.
pub async fn views_come_back_whole(place: Place) {
    let store = place.store().await;
    store.create_user(&user(1, "ada"), &audit("user.create")).await.unwrap();
    store.create_user(&user(2, "bob"), &audit("user.create")).await.unwrap();
    let view = |n: u128, owner: u128, name: &str| ViewRecord {
        id: id(n),
        owner: id(owner),
        name: name.into(),
        filter: HOSTILE.into(),
        sort: "-memory_bytes".into(),
        columns: vec!["name".into(), HOSTILE.into()],
        shared: n == 1,
        created_at: at(1),
        changed_at: at(n as i64),
    };
    for (n, owner, name) in [(1, 1, "b"), (2, 1, "a"), (3, 2, "b")] {
        assert!(store.save_view(&view(n, owner, name), &audit("view.save")).await.unwrap());
    }
    assert!(!store.save_view(&view(4, 1, "a"), &audit("view.save")).await.unwrap(), "the name is taken");
    assert!(!store.save_view(&view(1, 1, "a"), &audit("view.save")).await.unwrap(), "the name is another's");
    assert_eq!(store.views().await.unwrap(), [view(2, 1, "a"), view(1, 1, "b"), view(3, 2, "b")]);
    let changed =
        ViewRecord { name: "c".into(), filter: String::new(), columns: Vec::new(), shared: false, changed_at: at(9), ..view(1, 1, "b") };
    assert!(store.save_view(&changed, &audit("view.save")).await.unwrap());
    assert!(store.delete_view(id(2), &audit("view.delete")).await.unwrap());
    assert!(!store.delete_view(id(2), &audit("view.delete")).await.unwrap());
    assert_eq!(place.store().await.views().await.unwrap(), [view(3, 2, "b"), changed]);
    let actions: Vec<String> = store.audit_log(None, 5).await.unwrap().into_iter().map(|(_, entry)| entry.action).collect();
    assert_eq!(actions, ["view.delete", "view.save", "view.save", "view.save", "view.save"]);
}

/// An API token stops at its instant and when it is revoked.
pub async fn api_tokens_end(place: Place) {
    let store = place.store().await;
    store.create_user(&user(1, "ada"), &audit("user.create")).await.unwrap();
    let token = |n: u8| ApiTokenRecord {
        id: id(u128::from(n)),
        secret_hash: [n; 32],
        name: HOSTILE.into(),
        user: id(1),
        role: Role::AssetManager,
        realm: HOSTILE.into(),
        created_at: at(i64::from(n)),
        expires_at: at(100),
        revoked_at: None,
    };
    for n in [1, 2] {
        store.create_api_token(&token(n), &audit("api_token.create")).await.unwrap();
    }
    assert!(store.api_token(&[1; 32], at(99)).await.unwrap() == Some(token(1)));
    assert!(store.api_token(&[1; 32], at(100)).await.unwrap().is_none());
    assert!(store.api_token(&[9; 32], at(1)).await.unwrap().is_none());
    assert!(store.revoke_api_token(id(1), at(50), &audit("api_token.revoke")).await.unwrap());
    assert!(store.api_token(&[1; 32], at(51)).await.unwrap().is_none());
    assert!(!store.revoke_api_token(id(404), at(50), &audit("api_token.revoke")).await.unwrap());
    let all = store.api_tokens().await.unwrap();
    assert!(all == [token(2), ApiTokenRecord { revoked_at: Some(at(50)), ..token(1) }]);
}

/// The audit log reads backwards, page by page.
pub async fn the_audit_log_reads_backwards(place: Place) {
    let store = place.store().await;
    for action in ["a", "b", "c"] {
        store.audit(&audit(action)).await.unwrap();
    }
    let newest = store.audit_log(None, 2).await.unwrap();
    assert_eq!(newest.iter().map(|(_, entry)| entry.action.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    let rest = store.audit_log(Some(newest[1].0), 2).await.unwrap();
    assert_eq!(rest.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), [audit("a")]);
}
