"""Requests whose end two parsers may see in two places (request smuggling), as data.

Each row is a request's bytes; behind it on the same connection stands a canary, a second request
that makes a job. What a row says is what RFC 9112 (HTTP/1.1) and RFC 9110 ask for in the section
named:

    REFUSED   a status of REFUSALS, or no answer at all; the connection is closed, and the canary
              is never seen
    SWALLOWED the same; or the canary is a part of its body, of which more is awaited
    LAST      as REFUSED; or it is right, and the connection is closed behind its answer
    EITHER    as LAST; or the canary is answered next: the section leaves it to the server
              (MAY), or all readers agree where the request ends
    a number  the status of a request that is right as it stands; the canary is answered next

`{json}` stands for a right body, `{n}` for its length, `{chunk}` for it as one chunk without the
last.
"""

JSON = b'{"stages":[{"use":"pass"}]}'
CHUNK = b"%x\r\n%s\r\n" % (len(JSON), JSON)
REFUSED, SWALLOWED, LAST, EITHER = "refused", "swallowed", "last", "either"
REFUSALS = {301, 400, 413, 414, 431, 501, 505}
ROWS = []


class Shape:
    """One request; see the head of this file."""

    def __init__(self, name, section, data, expected):
        self.name, self.section, self.data, self.expected = name, section, data, expected
        ROWS.append(self)


def post(name, section, head, body, expected=REFUSED, version=b"HTTP/1.1",
         host=b"Host: localhost\r\n"):
    """POST /v1/jobs:validate with these lines of its head."""
    head = head.replace(b"{n}", b"%d" % len(JSON)).replace(b"{c}", b"%d" % len(CHUNK))
    body = body.replace(b"{json}", JSON).replace(b"{chunk}", CHUNK)
    Shape(name, section, b"POST /v1/jobs:validate " + version + b"\r\n" + host +
          b"Content-Type: application/json\r\n" + head + b"\r\n" + body, expected)


def get(name, section, line, head=b"Host: localhost\r\n", expected=REFUSED):
    Shape(name, section, line + b"\r\n" + head + b"\r\n", expected)


END = b"{chunk}0\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
CL = b"Content-Length: {n}\r\n"

# -- how long the body is -----------------------------------------------------------------------

post("length", "9112 6.2", CL, b"{json}", 200)
post("chunked", "9112 7.1", TE, END, 200)
post("chunked_in_capitals", "9112 7", b"Transfer-Encoding: CHUNKED\r\n", END, 200)
post("length_and_chunked", "9112 6.3 (3)", CL + TE, END)
post("chunked_and_length", "9112 6.3 (3)", TE + b"Content-Length: {c}\r\n", END)
post("chunked_and_length_0", "9112 6.3 (3)", TE + b"Content-Length: 0\r\n", END)
post("two_lengths", "9112 6.3 (5)", CL + b"Content-Length: 0\r\n", b"{json}")
post("two_lengths_alike", "9112 6.3 (5)", CL + CL, b"{json}")
post("lengths_in_a_list", "9112 6.3 (5)", b"Content-Length: {n}, {n}\r\n", b"{json}")
post("length_with_plus", "9110 8.6", b"Content-Length: +{n}\r\n", b"{json}")
post("length_negative", "9110 8.6", b"Content-Length: -1\r\n", b"{json}")
post("length_hex", "9110 8.6", b"Content-Length: 0x1b\r\n", b"{json}")
post("length_fraction", "9110 8.6", b"Content-Length: {n}.0\r\n", b"{json}")
post("length_empty", "9110 8.6", b"Content-Length: \r\n", b"{json}")
post("length_with_letters", "9110 8.6", b"Content-Length: {n}a\r\n", b"{json}")
post("length_with_space_inside", "9110 8.6", b"Content-Length: 2 7\r\n", b"{json}")
post("length_beyond_64_bits", "9110 8.6", b"Content-Length: 18446744073709551643\r\n", b"{json}")
post("length_of_all_bits", "9110 8.6", b"Content-Length: 18446744073709551615\r\n", b"{json}")
post("length_with_tab_behind", "9110 5.5", b"Content-Length: {n}\t\r\n", b"{json}", expected=EITHER)
post("length_with_leading_zeros", "9110 8.6", b"Content-Length: 000{n}\r\n", b"{json}", expected=EITHER)

# -- which coding it has ------------------------------------------------------------------------

post("chunked_twice", "9112 6.1", TE + TE, END)
post("chunked_twice_in_a_list", "9112 6.1", b"Transfer-Encoding: chunked, chunked\r\n", END)
post("gzip_then_chunked", "9112 6.1", b"Transfer-Encoding: gzip, chunked\r\n", END)
post("chunked_then_identity", "9112 6.3 (4)", b"Transfer-Encoding: chunked, identity\r\n", END)
post("identity", "9112 6.3 (4)", b"Transfer-Encoding: identity\r\n", END)
post("identity_with_length", "9112 6.3 (4)", b"Transfer-Encoding: identity\r\n" + CL, b"{json}")
post("coding_unknown", "9112 6.1", b"Transfer-Encoding: xchunked\r\n", END)
post("coding_empty", "9112 6.1", b"Transfer-Encoding: \r\n", END)
post("coding_empty_with_length", "9112 6.1", b"Transfer-Encoding:\r\n" + CL, b"{json}")
post("coding_quoted", "9112 7", b'Transfer-Encoding: "chunked"\r\n', END)
post("coding_with_parameter", "9112 7", b"Transfer-Encoding: chunked;a=b\r\n", END)
post("coding_with_comma", "9112 6.1", b"Transfer-Encoding: ,chunked\r\n", END)
post("coding_with_vertical_tab", "9110 5.5", b"Transfer-Encoding: \x0bchunked\r\n", END)
post("coding_with_nul", "9110 5.5", b"Transfer-Encoding: chunked\0\r\n", END, expected=EITHER)
post("coding_with_bare_cr", "9112 2.2", b"Transfer-Encoding: chunked\rX: y\r\n", END)
post("coding_with_spaces_around", "9110 5.5", b"Transfer-Encoding:  chunked \r\n", END, expected=EITHER)
post("coding_after_tab", "9110 5.5", b"Transfer-Encoding:\tchunked\r\n", END, expected=EITHER)
post("coding_in_HTTP_1_0", "9112 6.1", TE, END, version=b"HTTP/1.0", expected=LAST)
post("coding_and_length_in_HTTP_1_0", "9112 6.1", TE + CL, END, version=b"HTTP/1.0")

# -- chunks -------------------------------------------------------------------------------------

for name, size in {"negative": b"-1b", "plus": b"+1b", "hex_prefix": b"0x1b", "space_before": b" 1b",
                   "letters": b"zz", "empty": b"", "underscore": b"1_b", "semicolon_only": b";a=b",
                   "64_bits": b"1000000000000001b",
                   "80_bits": b"1000000000000000001b", "nul": b"1b\0", "comma": b"1b,",
                   "two_numbers": b"1b 1b", "bare_cr": b"1b\r"}.items():
    post("chunk_size_" + name, "9112 7.1", TE, size + b"\r\n{json}\r\n0\r\n\r\n")
post("chunk_size_of_all_bits", "9112 7.1", TE, b"ffffffffffffffff\r\n{json}\r\n0\r\n\r\n",
     SWALLOWED)
post("chunk_size_zeros_before", "9112 7.1", TE, b"0000001b\r\n{json}\r\n0\r\n\r\n", 200)
# The library refuses extensions from 1.0 on; nothing of ours hears of them.
post("chunk_extension", "9112 7.1.1", TE, b"1b;a=b\r\n{json}\r\n0\r\n\r\n", EITHER)
post("chunk_extension_quoted", "9112 7.1.1", TE, b'1b;a="b;c"\r\n{json}\r\n0\r\n\r\n', EITHER)
post("chunk_extension_bare_lf", "9112 7.1.1", TE, b"1b;a\n{json}\r\n0\r\n\r\n", expected=EITHER)
post("chunk_size_bare_lf", "9112 7.1", TE, b"1b\n{json}\r\n0\r\n\r\n", expected=EITHER)
post("chunk_end_bare_lf", "9112 7.1", TE, b"1b\r\n{json}\n0\r\n\r\n", expected=EITHER)
post("chunk_without_end", "9112 7.1", TE, b"1b\r\n{json}0\r\n\r\n")
post("chunk_longer_than_it_says", "9112 7.1", TE, b"1a\r\n{json}\r\n0\r\n\r\n")
post("chunk_last_bare_lf", "9112 7.1", TE, b"{chunk}0\n\n", expected=EITHER)
post("trailer", "9112 7.1.2", TE, b"{chunk}0\r\nX: y\r\n\r\n", 200)
post("trailer_with_length", "9112 7.1.2", TE, b"{chunk}0\r\nContent-Length: 5\r\n\r\n", 200)
post("trailer_space_before_colon", "9112 5.1", TE, b"{chunk}0\r\nX : y\r\n\r\n", expected=EITHER)

# -- lines of the head --------------------------------------------------------------------------

post("space_before_colon", "9112 5.1", b"Content-Length : {n}\r\n", b"{json}")
post("tab_before_colon", "9112 5.1", b"Transfer-Encoding\t: chunked\r\n", END)
post("no_colon", "9112 5", CL + b"Nothing\r\n", b"{json}")
post("empty_name", "9112 5", CL + b": x\r\n", b"{json}")
post("name_with_nul", "9110 5.1", b"Content-Length\0: 1\r\n" + CL, b"{json}", expected=EITHER)
post("name_in_parentheses", "9110 5.1", b"(Content-Length): 1\r\n" + CL, b"{json}", expected=EITHER)
post("value_with_nul", "9110 5.5", CL + b"X: a\0b\r\n", b"{json}", expected=EITHER)
post("value_with_bare_cr", "9112 2.2", CL + b"X: a\rTransfer-Encoding: chunked\r\n", b"{json}")
post("folded", "9112 5.2", CL + b"X: a\r\n Transfer-Encoding: chunked\r\n", b"{json}", expected=EITHER)
post("folded_coding", "9112 5.2", b"Transfer-Encoding:\r\n chunked\r\n", END, expected=EITHER)
post("folded_length", "9112 5.2", b"Content-Length:\r\n {n}\r\n", b"{json}", expected=EITHER)
post("first_line_folded", "9112 2.2", CL, b"{json}", host=b" Host: localhost\r\n", expected=EITHER)
post("bare_lf_in_head", "9112 2.2", b"Content-Length: {n}\n", b"{json}", expected=EITHER)
post("bare_lf_hides_a_coding", "9112 2.2", CL + b"X: a\nTransfer-Encoding: chunked\r\n", b"{json}")

# -- who is meant -------------------------------------------------------------------------------

get("host", "9112 3.2", b"GET /livez HTTP/1.1", expected=200)
get("host_missing", "9112 3.2", b"GET /livez HTTP/1.1", b"X: y\r\n")
get("host_twice", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: localhost\r\nHost: example\r\n")
get("host_twice_alike", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: localhost\r\n" * 2)
get("host_with_space", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: local host\r\n")
get("host_with_slash", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: localhost/x\r\n")
get("host_with_user", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: a@localhost\r\n")
get("host_list", "9112 3.2", b"GET /livez HTTP/1.1", b"Host: localhost, example\r\n")
get("authority_form", "9112 3.2.3", b"GET localhost:80 HTTP/1.1")
get("absolute_form_of_another_host", "9112 3.2.2", b"GET http://example/livez HTTP/1.1")
get("absolute_form", "9112 3.2.2", b"GET http://localhost/livez HTTP/1.1", expected=200)
get("absolute_form_in_capitals", "9112 3.2.2", b"GET HTTP://LOCALHOST/livez HTTP/1.1", expected=200)
get("asterisk_form", "9112 3.2.4", b"GET * HTTP/1.1")
get("connect", "9110 9.3.6", b"CONNECT localhost:80 HTTP/1.1")

# -- the first line -----------------------------------------------------------------------------

get("version_0_9", "9112 2.3", b"GET /livez", b"")
get("version_missing", "9112 3", b"GET /livez")
get("version_2_preface", "9113 3.4", b"PRI * HTTP/2.0", b"")
get("version_2_0", "9110 15.6.6", b"GET /livez HTTP/2.0")
get("version_1_9x", "9112 2.3", b"GET /livez HTTP/1.11")
get("version_lower_case", "9112 2.3", b"GET /livez http/1.1")
get("version_0_1", "9112 2.3", b"GET /livez HTTP/0.1")
get("space_in_target", "9112 3.2", b"GET /livez /x HTTP/1.1")
get("tab_for_space", "9112 3", b"GET\t/livez\tHTTP/1.1", expected=EITHER)
get("space_first", "9112 3", b" GET /livez HTTP/1.1", expected=EITHER)
get("two_spaces", "9112 3", b"GET  /livez HTTP/1.1", expected=EITHER)
get("nul_in_target", "9112 3.2", b"GET /livez\0x HTTP/1.1", expected=EITHER)
get("method_with_nul", "9110 9.1", b"GE\0T /livez HTTP/1.1", expected=LAST)
get("target_with_bare_cr", "9112 2.2", b"GET /livez\rX HTTP/1.1")
get("trace", "9110 9.3.8", b"TRACE /livez HTTP/1.1", expected=405)
