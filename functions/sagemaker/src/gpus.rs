//! How many GPUs an instance type of SageMaker has.

/// The GPUs of an instance of this type, such as `ml.g5.12xlarge`; `None` for a type of a GPU family that this version
/// does not know. Trainium and Inferentia chips are no GPUs.
///
/// From the accelerated instances of <https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html>.
pub(crate) fn of(instance_type: &str) -> Option<u64> {
    let (family, size) = instance_type.strip_prefix("ml.").unwrap_or(instance_type).split_once('.')?;
    let is_gpu_family =
        family.strip_prefix(['g', 'p']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if !is_gpu_family {
        return Some(0);
    }
    Some(match (family, size) {
        ("p2", "xlarge") | ("p3", "2xlarge") | ("p5", "4xlarge") => 1,
        ("p2", "8xlarge") => 8,
        ("p2", "16xlarge") => 16,
        ("p3", "8xlarge") => 4,
        ("p3", "16xlarge") | ("p3dn", "24xlarge") => 8,
        ("p4d" | "p4de", "24xlarge") => 8,
        ("p5" | "p5e" | "p5en" | "p6-b200" | "p6-b300", "48xlarge") => 8,
        ("p6e-gb200", "36xlarge") => 4,
        ("g4dn" | "g5" | "g6" | "g6e", "xlarge" | "2xlarge" | "4xlarge" | "8xlarge" | "16xlarge") => 1,
        ("g4dn" | "g5" | "g6" | "g6e", "12xlarge") | ("g5" | "g6" | "g6e" | "g7e", "24xlarge") => 4,
        ("g5" | "g6" | "g6e" | "g7e", "48xlarge") => 8,
        ("g7e", "2xlarge" | "4xlarge" | "8xlarge") => 1,
        ("g7e", "12xlarge") => 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_those_of_the_type() {
        for (instance_type, gpus) in [
            ("ml.m5.xlarge", Some(0)),
            ("ml.trn1.32xlarge", Some(0)),
            ("ml.inf2.48xlarge", Some(0)),
            ("ml.g4dn.xlarge", Some(1)),
            ("ml.g4dn.12xlarge", Some(4)),
            ("ml.g5.48xlarge", Some(8)),
            ("ml.g6e.16xlarge", Some(1)),
            ("ml.p2.16xlarge", Some(16)),
            ("ml.p3.8xlarge", Some(4)),
            ("ml.p4d.24xlarge", Some(8)),
            ("ml.p5.4xlarge", Some(1)),
            ("ml.p5en.48xlarge", Some(8)),
            // A family, and a size, that came after us.
            ("ml.p9.48xlarge", None),
            ("ml.g5.96xlarge", None),
            ("ml.geospatial.interactive", Some(0)),
            ("local", None),
        ] {
            assert_eq!(of(instance_type), gpus, "{instance_type}");
        }
    }
}
