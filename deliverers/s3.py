"""A bucket of S3 or of a store like it. An object is there when it is whole; its metadata say where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import PurePosixPath

from deliverers._s3_bucket import EXECUTION, KEY, ROWS, SHA256, Bucket, FoundObject
from deliverers._s3_client import open_s3
from deliverers._s3_config import S3Config
from deliverers._s3_errors import status_of, translated
from deliverers._sources import file_name
from deliverers._templates import fixed_part_of, remote_folder_of
from shared.errors import DeliveryRefused
from shared.http import check_url
from shared.plugins import ArtifactFile, Control, Deliverer, Parcel, Receipt

_LONGEST_KEY = 1024


class S3Deliverer(Deliverer[S3Config]):
    kind = "s3"
    title = "S3 bucket"
    config_model = S3Config
    drivers = ("botocore",)

    def target(self) -> str:
        place = f"s3://{self.config.bucket}/{self.config.prefix.strip('/')}".rstrip("/")
        return place if self.config.endpoint_url is None else f"{place} at {check_url(self.config.endpoint_url).origin}"

    def check(self, control: Control) -> str:
        control.check()
        with open_s3(self.config, control) as client, translated(self.config, control):
            Bucket(client, self.config, control).probe(_key(fixed_part_of(self.config.prefix), ".report-hub-check"))
        return f"{self.target()} takes objects."

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        control.check()
        prefix = remote_folder_of(self.config.prefix, parcel)
        with open_s3(self.config, control) as client, translated(self.config, control):
            bucket = Bucket(client, self.config, control)
            keys = [self._arrived(bucket, prefix, parcel, artifact) for artifact in parcel.artifacts]
        size = sum(artifact.size for artifact in parcel.artifacts)
        place = f"s3://{self.config.bucket}/{prefix.strip('/')}"
        return Receipt(
            f"{len(keys)} object(s), {size:,} bytes, in {place}", {"bucket": self.config.bucket, "keys": keys}
        )

    def _arrived(self, bucket: Bucket, prefix: str, parcel: Parcel, artifact: ArtifactFile) -> str:
        """The key under which the artifact now is."""
        name = file_name(parcel, artifact)
        metadata = {
            KEY: parcel.key,
            EXECUTION: parcel.execution_id,
            SHA256: artifact.sha256,
            ROWS: str(artifact.row_count),
        }
        if self.config.overwrite == "replace":
            key = _key(prefix, name)
            found = self._glimpse(bucket, key)
            if found is None or not found.is_same(artifact) or found.metadata.get(KEY) != parcel.key:
                bucket.put(key, artifact, metadata)
            return key
        for candidate in self._candidates(name):
            key = _key(prefix, candidate)
            found = bucket.find(key)
            if found is None and bucket.put(key, artifact, metadata, if_absent=True):
                return key
            found = found or bucket.find(key)
            if found is not None and found.is_same(artifact):
                return key
        raise DeliveryRefused(
            f"{name} exists already in the bucket {self.config.bucket} and is another object.",
            hint="Put {date} or {time} into the report's file name or into the prefix, or choose replace or keep_both.",
        )

    def _glimpse(self, bucket: Bucket, key: str) -> FoundObject | None:
        """As find(); a user that may only write cannot look, and just writes the same bytes again."""
        from botocore.exceptions import ClientError

        try:
            return bucket.find(key)
        except ClientError as error:
            if status_of(error) == 403:
                return None
            raise

    def _candidates(self, name: str) -> Iterator[str]:
        yield name
        if self.config.overwrite == "keep_both":
            path = PurePosixPath(name)
            for number in count(2):
                yield f"{path.stem}-{number}{path.suffix}"


def _key(prefix: str, name: str) -> str:
    key = "/".join(filter(None, [prefix.strip("/"), name]))
    if len(key.encode()) > _LONGEST_KEY:
        raise DeliveryRefused(
            f"The object key of {name} would be longer than {_LONGEST_KEY} bytes.", hint="Shorten `prefix`."
        )
    return key
