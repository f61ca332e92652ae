//! The names that a tag has, and owners among all tags of a line.

use super::{Owners, Remembered, Tag};
use crate::convert::Names;

#[test]
fn a_tag_has_a_name_in_each_export() {
    let table = [
        ("owner", "resourceTags/user:owner", "resource_tags_user_owner"),
        ("Owner", "resourceTags/user:Owner", "resource_tags_user_owner"),
        ("CostCenter", "resourceTags/user:CostCenter", "resource_tags_user_cost_center"),
        ("cost-center", "resourceTags/user:cost-center", "resource_tags_user_cost_center"),
        ("user:owner", "resourceTags/user:owner", "resource_tags_user_owner"),
        ("aws:createdBy", "resourceTags/aws:createdBy", "resource_tags_aws_created_by"),
        ("Über-Team", "resourceTags/user:Über-Team", "resource_tags_user_über_team"),
    ];
    for (name, legacy, flat) in table {
        let tag = Tag::new(name);
        assert_eq!((tag.legacy.as_str(), tag.flat.as_str()), (legacy, flat));
    }
}

#[test]
fn the_owner_is_found_among_all_tags() {
    let table = [
        ("", Some("")),
        ("NULL", Some("")),
        ("{}", Some("")),
        (r#"{"user_owner":"alice"}"#, Some("alice")),
        (r#"{"user_team":"red","user_owner":"zo\u00eb \"z\""}"#, Some("zoë \"z\"")),
        (r#"{"user:owner":"bob"}"#, Some("bob")),
        (r#"{"owner":"carol","user_owner":"alice"}"#, Some("alice")),
        (r#"{"owner":"carol"}"#, Some("carol")),
        (r#"{"user_owner":null,"owner":"carol"}"#, Some("carol")),
        (r#"{"user_owner":null}"#, Some("")),
        (r#"{"nested":{"owner":"x"}}"#, Some("")),
        (r#"{"user_owner":"alice"} "#, Some("alice")),
        (r#"{"user_owner":"alice"}x"#, None),
        (r#"{"user_owner":5}"#, None),
        ("[]", None),
        ("user_owner=alice", None),
    ];
    let (tag, mut names, mut remembered) = (Tag::new("owner"), Names::default(), Remembered::default());
    for (json, expected) in [table, table].concat() {
        let mut owners = Owners { tag: &tag, names: &mut names, remembered: &mut remembered };
        let owner = owners.read(json.as_bytes()).ok();
        assert_eq!(owner.map(|owner| names.get(owner)), expected, "{json}");
    }
}
