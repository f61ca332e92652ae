"""What MiniStack is taught about roles, sessions, buckets and databases; `patches.py` says how lessons are held."""

import re
import threading

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import _account_from_sts_session, get_account_id, get_region, request_scope
from ministack.services import iam, rds, s3
from patches import seen

# Seconds that a database takes to stop and to start; on AWS it takes minutes.
TURNING_SECONDS = 1.0
# How many roles and tags AWS lists at once unless asked otherwise, and how many databases, within what bounds:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html
IAM_PAGE = 100
RDS_PAGE = range(20, 101)


def apply():
    """Teaches every lesson; raises `MiniStackChanged` if one no longer fits."""
    take_unsigned_calls_of_sessions()
    read_packages_of_other_accounts()
    list_roles_in_pages()
    name_the_path_of_a_role()
    name_databases()
    describe_databases_in_pages()
    turn_databases_off_and_on_in_time()


def take_unsigned_calls_of_sessions():
    """A session may sign with `00`, as the account itself may, so that a test needs no SDK; its token must be right."""
    authenticate = seen(iam_evaluator, "authenticate", "42c3660c401b")

    def authenticated(access_key, account):
        request = iam_evaluator._signed_request.get()
        if request is None or not request.headers.get("authorization", "").endswith("Signature=00"):
            return authenticate(access_key, account)
        iam_evaluator._signed_request.set(None)
        token = request.headers.get("x-amz-security-token", "")
        owner = _account_from_sts_session(access_key) or account
        credential = iam_evaluator.resolve_credential(access_key, owner, token)
        if isinstance(credential, iam_evaluator.CredentialResolutionError):
            return iam_evaluator.AuthError(credential.code, credential.message)
        iam_evaluator._verified_key.set(access_key)
        return credential

    iam_evaluator.authenticate = authenticated


def read_packages_of_other_accounts():
    """Lambda and Step Functions take code and definitions from a bucket of another account that lets them.

    Buckets here let everybody. So each package is uploaded once, however many sandboxes are deployed.
    """
    read = seen(s3, "_get_object_data", "8735d1f5e331")
    seen(s3, "_bucket_owner_account", "4352c25646a8")

    def get_object_data(bucket, key, version_id=None):
        with request_scope(s3._bucket_owner_account(bucket) or get_account_id(), get_region()):
            return read(bucket, key, version_id)

    s3._get_object_data = get_object_data


def list_roles_in_pages():
    """A long list comes in pages, and `ListRoles` says nothing of tags and boundaries; MiniStack tells the tags."""
    list_roles = seen(iam, "_list_roles", "5b55e8129162")
    list_tags = seen(iam, "_list_role_tags", "71f81907c44d")

    def paged(original, member):
        def listing(given):
            status, headers, body = original(given)
            if status != 200:
                return status, headers, body
            text = re.sub(r"<Tags>.*?</Tags>", "", body.decode(), flags=re.S) if member == "Roles" else body.decode()
            size = int(iam._p(given, "MaxItems") or IAM_PAGE)
            page, marker = cut(text, member, "member", int(iam._p(given, "Marker") or 0), size)
            if marker:
                more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>"
                page = page.replace("<IsTruncated>false</IsTruncated>", more)
            return status, headers, page.encode()

        return listing

    iam._IAM_HANDLERS["ListRoles"] = paged(list_roles, "Roles")
    iam._IAM_HANDLERS["ListRoleTags"] = paged(list_tags, "Tags")


def cut(text, outer, inner, start, size):
    """The answer with only the items of a page, and the marker of the next page, if there is one."""
    head, _, rest = text.partition(f"<{outer}>")
    body, _, tail = rest.partition(f"</{outer}>")
    items = re.findall(rf"<{inner}>.*?</{inner}>", body, flags=re.S)
    end = start + size
    page = f"{head}<{outer}>{''.join(items[start:end])}</{outer}>{tail}"
    return page, str(end) if end < len(items) else None


def name_the_path_of_a_role():
    """A role's path is part of its ARN, by which policies tell roles apart; MiniStack leaves it out."""
    named_before = iam_actions.extract_resource_arn

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        named = named_before(service, method, path, headers, body, query_params, region, account_id)
        if service != "iam" or ":role/" not in named:
            return named
        role = iam._roles.get(named.rpartition("/")[2])
        return role["Arn"] if role else named

    iam_actions.extract_resource_arn = resource_arn


def name_databases():
    """A call about a database is authorised against its ARN, one that asks for all against that of any; MiniStack names
    neither.

    AWS says so when it denies a list: "not authorized to perform: rds:DescribeDBInstances on resource:
    arn:aws:rds:us-east-1:111111111111:db:*" (https://github.com/awslabs/pireporter/issues/8).
    """
    named_before = iam_actions.extract_resource_arn
    kinds = {"Instance": ("db", "DBInstanceIdentifier"), "Cluster": ("cluster", "DBClusterIdentifier")}

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        action = iam_actions._query_param(query_params, "Action") or ""
        kind = re.fullmatch(r"(?:Describe|Stop|Start)DB(Instance|Cluster)s?", action)
        if service != "rds" or not kind:
            return named_before(service, method, path, headers, body, query_params, region, account_id)
        word, member = kinds[kind[1]]
        name = iam_actions._query_param(query_params, member) or "*"
        return f"arn:aws:rds:{region}:{account_id}:{word}:{name}"

    iam_actions.extract_resource_arn = resource_arn


def describe_databases_in_pages():
    """Databases come in pages of at most a hundred, and one that is in no cluster names none."""
    instance_xml = seen(rds, "_instance_xml", "97bb74e4c17b")
    of_kind = {
        "DBInstances": ("DescribeDBInstances", seen(rds, "_describe_db_instances", "5d4caee66547")),
        "DBClusters": ("DescribeDBClusters", seen(rds, "_describe_db_clusters", "7aa72258a681")),
    }

    def paged(original, outer):
        def describe(given):
            size = int(rds._p(given, "MaxRecords") or RDS_PAGE[-1])
            if size not in RDS_PAGE:
                return rds._error("InvalidParameterValue", f"Invalid value {size} for MaxRecords", 400)
            status, headers, body = original(given)
            if status != 200:
                return status, headers, body
            text = body if isinstance(body, str) else body.decode()
            page, marker = cut(text, outer, outer[:-1], int(rds._p(given, "Marker") or 0), size)
            if marker:
                page = page.replace(f"</{outer}>", f"</{outer}><Marker>{marker}</Marker>")
            return status, headers, page.encode()

        return describe

    def without_empty_cluster(instance):
        return instance_xml(instance).replace("<DBClusterIdentifier></DBClusterIdentifier>", "")

    rds._instance_xml = without_empty_cluster
    for outer, (operation, original) in of_kind.items():
        rds._ACTION_MAP[operation] = paged(original, outer)


def turn_databases_off_and_on_in_time():
    """A database is stopping before it is stopped, and refuses what its state does not allow.

    An instance of an Aurora cluster is stopped and started with its cluster only:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html
    """
    # From which state, through which, to which.
    ways = {"Stop": ("available", "stopping", "stopped"), "Start": ("stopped", "starting", "available")}
    of_instances = {
        "Stop": seen(rds, "_stop_db_instance", "805e4e533656"),
        "Start": seen(rds, "_start_db_instance", "733e41920b76"),
    }
    of_clusters = {
        "Stop": seen(rds, "_stop_db_cluster", "e3eaf44fae2a"),
        "Start": seen(rds, "_start_db_cluster", "b7b99e12925c"),
    }

    def turn(records, member, through, to):
        for record in records:
            record[member] = through

        def arrive():
            for record in records:
                # It may have been deleted meanwhile, or turned the other way.
                record[member] = to if record[member] == through else record[member]

        threading.Timer(TURNING_SECONDS, arrive).start()

    def turn_instance(original, way):
        before, through, to = way

        def handler(given):
            name = rds._p(given, "DBInstanceIdentifier")
            instance = rds._resolve_instance(name)
            if instance and instance.get("DBClusterIdentifier"):
                message = f"{instance['Engine']} DB instances are not eligible for stopping or starting."
                return rds._error("InvalidParameterCombination", message, 400)
            if instance and instance["DBInstanceStatus"] != before:
                return rds._error("InvalidDBInstanceState", f"Instance {name} is not in {before} state.", 400)
            status, headers, body = original(given)
            if status == 200:
                turn([instance], "DBInstanceStatus", through, to)
                body = told(body, "DBInstanceStatus", through)
            return status, headers, body

        return handler

    def turn_cluster(original, way):
        _, through, to = way

        def handler(given):
            status, headers, body = original(given)
            if status == 200:
                cluster = rds._resolve_cluster_in_request_region(rds._p(given, "DBClusterIdentifier"))
                turn(rds._cluster_member_instances(cluster), "DBInstanceStatus", through, to)
                turn([cluster], "Status", through, to)
                body = told(body, "Status", through)
            return status, headers, body

        return handler

    def told(body, member, through):
        text = body if isinstance(body, str) else body.decode()
        return re.sub(rf"<{member}>\w+</{member}>", f"<{member}>{through}</{member}>", text, count=1).encode()

    for verb, way in ways.items():
        rds._ACTION_MAP[f"{verb}DBInstance"] = turn_instance(of_instances[verb], way)
        rds._ACTION_MAP[f"{verb}DBCluster"] = turn_cluster(of_clusters[verb], way)
