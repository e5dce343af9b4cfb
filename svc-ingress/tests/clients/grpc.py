"""A gRPC server and a client that checks it: `serve`, or `ask ADDRESS:PORT CERTIFICATE`. Messages are bytes, so that no
generated code is needed."""

import sys
from concurrent.futures import ThreadPoolExecutor

# Not this file, which has the same name.
sys.path.pop(0)
import grpc  # noqa: E402


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == "/echo.Echo/Unary":
            return grpc.unary_unary_rpc_method_handler(self.unary)
        if call.method == "/echo.Echo/Both":
            return grpc.stream_stream_rpc_method_handler(lambda messages, context: (m * 2 for m in messages))
        if call.method == "/echo.Echo/Fail":
            return grpc.unary_unary_rpc_method_handler(self.fail)
        return None

    def unary(self, message, context):
        context.set_trailing_metadata((("x-length", str(len(message))),))
        return message

    def fail(self, message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")


def serve():
    server = grpc.server(ThreadPoolExecutor(4), handlers=[Echo()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def ask(address, certificate):
    roots = open(certificate, "rb").read()
    options = [("grpc.ssl_target_name_override", "foo.example"), ("grpc.default_authority", "foo.example")]
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(roots), options) as channel:
        unary = channel.unary_unary("/echo.Echo/Unary")
        for message in [b"", b"hello", b"x" * 900_000]:
            reply, call = unary.with_call(message, timeout=20)
            assert reply == message, "a message comes back as it went"
            assert ("x-length", str(len(message))) in [tuple(item) for item in call.trailing_metadata()]
        replies = channel.stream_stream("/echo.Echo/Both")(iter([b"a", b"bc", b"def"]), timeout=20)
        assert list(replies) == [b"aa", b"bcbc", b"defdef"]
        for method, code in [("Fail", "FAILED_PRECONDITION"), ("None", "UNIMPLEMENTED")]:
            try:
                channel.unary_unary(f"/echo.Echo/{method}")(b"x", timeout=20)
                raise AssertionError(f"{method} has to fail")
            except grpc.RpcError as error:
                assert error.code().name == code, error


if sys.argv[1] == "serve":
    serve()
else:
    ask(sys.argv[2], sys.argv[3])
