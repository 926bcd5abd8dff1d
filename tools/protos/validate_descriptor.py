"""The descriptor of `buf/validate/validate.proto`, which protovalidate's wheel carries without the .proto file."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate._gen.buf.validate import validate_pb


def validate_descriptor_set() -> bytes:
    """Returns a serialised FileDescriptorSet: validate.proto and what it imports, for protoc's --descriptor_set_in."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return files.SerializeToString()
