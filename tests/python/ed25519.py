"""Ed25519 in plain Python: signing by RFC 8032, verification by ZIP 215.

Written from the two documents, so that it shares no code with the node. It is slow and not constant in time: it is for
checking public signatures, and for signing with keys that are worth nothing.
"""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)

# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.
IDENTITY = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = IDENTITY
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def negate(point):
    return (-point[0] % P, point[1], point[2], -point[3] % P)


def is_identity(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def decompress(encoding):
    """The point, or None. As ZIP 215 wants it: y may be at or above p, and x may be "negative zero"."""
    if len(encoding) != 32:
        return None
    y = int.from_bytes(encoding, "little")
    sign, y = y >> 255, (y & (2**255 - 1)) % P
    numerator, denominator = (y * y - 1) % P, (D * y * y + 1) % P
    x_squared = numerator * pow(denominator, P - 2, P) % P
    x = pow(x_squared, (P + 3) // 8, P)
    if (x * x - x_squared) % P != 0:
        x = x * SQRT_MINUS_ONE % P
    if (x * x - x_squared) % P != 0:
        return None
    if x & 1 != sign:
        x = -x % P
    return (x, y, 1, x * y % P)


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def _hash_to_scalar(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def verify(public_key, message, signature):
    """Whether [8][s]B = [8]R + [8][k]A, with s below the group order."""
    if len(signature) != 64:
        return False
    key, r = decompress(public_key), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or s >= ORDER:
        return False
    k = _hash_to_scalar(signature[:32], public_key, message)
    difference = add(multiply(s, BASE), negate(add(r, multiply(k, key))))
    return is_identity(multiply(8, difference))


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    scalar = (scalar & ((1 << 254) - 8)) | (1 << 254)
    return scalar, digest[32:]


def public_key(seed):
    return compress(multiply(_expand(seed)[0], BASE))


def sign(seed, message):
    scalar, prefix = _expand(seed)
    public = compress(multiply(scalar, BASE))
    r = _hash_to_scalar(prefix, message)
    r_bytes = compress(multiply(r, BASE))
    k = _hash_to_scalar(r_bytes, public, message)
    return r_bytes + ((r + k * scalar) % ORDER).to_bytes(32, "little")
