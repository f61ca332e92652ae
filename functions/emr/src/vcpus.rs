//! How many virtual processors an EC2 instance type has, by its name.
//!
//! AWS names sizes after them: `xlarge` has four and `Nxlarge` N times four. Where a name says something else or
//! nothing, the number stands here; what is neither is not guessed. Held against `DescribeInstanceTypes` of EC2, as
//! moto 5.2.1 keeps it, with 1,263 types.

/// Types whose size says something else, or nothing.
const IRREGULAR: &[(&str, u64)] = &[
    ("c1.medium", 2),
    ("c1.xlarge", 8),
    ("c4.8xlarge", 36),
    ("d2.8xlarge", 36),
    ("m1.small", 1),
    ("m2.xlarge", 2),
    ("m2.2xlarge", 4),
    ("m2.4xlarge", 8),
    ("t1.micro", 1),
    ("t2.nano", 1),
    ("t2.micro", 1),
    ("t2.small", 1),
    ("t2.medium", 2),
];

/// Families whose size `metal` stands without a number.
const METAL: &[(u64, &[&str])] = &[
    (16, &["a1"]),
    (48, &["m5zn", "x2iezn", "z1d"]),
    (
        64,
        &[
            "c6g", "c6gd", "c7g", "c7gd", "c7gn", "g5g", "m6g", "m6gd", "m7g", "m7gd", "r6g", "r6gd", "r7g", "r7gd",
            "x2gd",
        ],
    ),
    (72, &["c5n", "i3"]),
    (96, &["c5", "c5d", "g4dn", "i3en", "m5", "m5d", "m5dn", "m5n", "r5", "r5b", "r5d", "r5dn", "r5n"]),
    (
        128,
        &[
            "c6i", "c6id", "c6in", "i4i", "m6i", "m6id", "m6idn", "m6in", "r6i", "r6id", "r6idn", "r6in", "x2idn",
            "x2iedn",
        ],
    ),
    (192, &["c6a", "m6a", "r6a"]),
];

/// The virtual processors of an instance type such as `m5.2xlarge`; `None` when its name does not tell.
pub(crate) fn of(instance_type: &str) -> Option<u64> {
    if let Some((_, vcpus)) = IRREGULAR.iter().find(|(name, _)| *name == instance_type) {
        return Some(*vcpus);
    }
    let (family, size) = instance_type.split_once('.')?;
    // These count cores, each in its own way.
    if family.starts_with("hpc") || family.starts_with("mac") || family == "hs1" {
        return None;
    }
    match size {
        "nano" | "micro" | "small" | "medium" if matches!(family, "t3" | "t3a" | "t4g") => Some(2),
        "medium" => Some(1),
        "large" => Some(2),
        "xlarge" => Some(4),
        "metal" => METAL.iter().find(|(_, families)| families.contains(&family)).map(|(vcpus, _)| *vcpus),
        size => {
            let metal = || size.strip_prefix("metal-").and_then(|size| size.strip_suffix("xl"));
            let times: u64 = size.strip_suffix("xlarge").or_else(metal)?.parse().ok()?;
            times.checked_mul(4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(types: &[(&str, Option<u64>)]) {
        for (instance_type, expected) in types {
            assert_eq!(of(instance_type), *expected, "{instance_type}");
        }
    }

    #[test]
    fn sizes_say_it() {
        check(&[
            ("m5.large", Some(2)),
            ("m5.xlarge", Some(4)),
            ("m4.10xlarge", Some(40)),
            ("c5.9xlarge", Some(36)),
            ("r6g.medium", Some(1)),
            ("r7a.48xlarge", Some(192)),
            ("c8i-flex.16xlarge", Some(64)),
            ("u7in-24tb.224xlarge", Some(896)),
            ("i7ie.metal-24xl", Some(96)),
            ("m8i.metal-96xl", Some(384)),
        ]);
    }

    #[test]
    fn exceptions_are_known() {
        check(&[
            ("c1.xlarge", Some(8)),
            ("m2.4xlarge", Some(8)),
            ("c4.8xlarge", Some(36)),
            ("d2.8xlarge", Some(36)),
            ("t2.medium", Some(2)),
            ("t3.micro", Some(2)),
            ("i3.metal", Some(72)),
            ("m5.metal", Some(96)),
            ("m6i.metal", Some(128)),
            ("c7g.metal", Some(64)),
        ]);
    }

    #[test]
    fn nothing_is_guessed() {
        check(&[
            ("hpc6a.48xlarge", None),
            ("hs1.8xlarge", None),
            ("mac2.metal", None),
            ("u-6tb1.metal", None),
            ("m9.huge", None),
            ("m9.-1xlarge", None),
            ("m9.99999999999999999999xlarge", None),
            ("xlarge", None),
            ("", None),
        ]);
    }
}
