# SPDX-License-Identifier: Apache-2.0
"""AES (FIPS 197) with XTS (IEEE 1619) and CCM (RFC 3610), to make test images without further modules. Many blocks go at once, as 16
planes: plane i has byte i of every block, so that bytes.translate and whole integers do the work, some 10 MB/s. Encrypts only."""

SECTOR, BLOCK = 512, 16


def _double(value: int) -> int:
    return value << 1 ^ (0x11B if value & 0x80 else 0)


def _sbox() -> bytes:
    powers = [1]  # of 3, which generates the field: so x's inverse is 3 ** (255 - log x)
    while len(powers) < 255:
        powers.append(powers[-1] ^ _double(powers[-1]))
    box = bytearray(256)
    for log, value in enumerate(powers):
        inverse, mixed = powers[-log % 255], 0
        for shift in range(5):
            mixed ^= inverse << shift
        box[value] = (mixed ^ mixed >> 8) & 0xFF
    return bytes(value ^ 0x63 for value in box)


SBOX = _sbox()
SBOX_TWICE = bytes(map(_double, SBOX))
SHIFTED = bytes(value << 1 & 0xFF for value in range(256))
CARRY = bytes(value >> 7 for value in range(256))
CARRY_OUT = bytes((value >> 7) * 0x87 for value in range(256))


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "little") ^ int.from_bytes(right, "little")).to_bytes(len(left), "little")


def _round_keys(key: bytes) -> list[bytes]:
    count, constant = len(key) // 4, 1
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    while len(words) < 4 * (count + 7):
        word = words[-1]
        if len(words) % count == 0:
            word = (word[1:] + word[:1]).translate(SBOX)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _double(constant)
        elif count > 6 and len(words) % count == 4:
            word = word.translate(SBOX)
        words.append(_xor(words[-count], word))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def _planes(keys: list[bytes], planes: list[bytes]) -> list[bytes]:
    size = len(planes[0])
    ones = int.from_bytes(b"\1" * size, "little")

    def number(plane, box=None):
        return int.from_bytes(plane.translate(box) if box else plane, "little")

    planes = [(number(plane) ^ ones * key).to_bytes(size, "little") for plane, key in zip(planes, keys[0])]
    for key in keys[1:]:
        rows = [planes[(i + i % 4 * 4) % 16] for i in range(16)]  # ShiftRows
        once = [number(plane, SBOX) for plane in rows]
        if key is not keys[-1]:  # MixColumns
            twice = [number(plane, SBOX_TWICE) for plane in rows]
            once = [twice[i] ^ twice[j := i // 4 * 4 + (i + 1) % 4] ^ once[j] ^ once[i // 4 * 4 + (i + 2) % 4] ^ once[i // 4 * 4 + (i + 3) % 4]
                    for i in range(16)]
        planes = [(plane ^ ones * byte).to_bytes(size, "little") for plane, byte in zip(once, key)]
    return planes


def encrypt(keys: list[bytes], blocks: bytes) -> bytes:
    out = bytearray(len(blocks))
    for i, plane in enumerate(_planes(keys, [blocks[i::BLOCK] for i in range(BLOCK)])):
        out[i::BLOCK] = plane
    return bytes(out)


def xts_encrypt(key: bytes, data: bytes, first_sector: int) -> bytes:
    """Whole sectors of 512 bytes; the tweak is the sector's number."""
    keys, tweak_keys = _round_keys(key[: len(key) // 2]), _round_keys(key[len(key) // 2 :])
    numbers = b"".join((first_sector + n).to_bytes(BLOCK, "little") for n in range(len(data) // SECTOR))
    tweak = _planes(tweak_keys, [numbers[i::BLOCK] for i in range(BLOCK)])
    out = bytearray(len(data))
    for at in range(0, SECTOR, BLOCK):
        clear = [_xor(data[at + i :: SECTOR], tweak[i]) for i in range(BLOCK)]
        for i, plane in enumerate(_planes(keys, clear)):
            out[at + i :: SECTOR] = _xor(plane, tweak[i])
        tweak = [_xor(plane.translate(SHIFTED), tweak[i - 1].translate(CARRY if i else CARRY_OUT)) for i, plane in enumerate(tweak)]
    return bytes(out)


def ccm_seal(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """The tag of 16 bytes, then the ciphertext. The nonce has 12 bytes."""
    keys = _round_keys(key)
    mac = encrypt(keys, b"\x3a" + nonce + len(data).to_bytes(3, "big"))
    for at in range(0, len(data), BLOCK):
        mac = encrypt(keys, _xor(mac, data[at : at + BLOCK].ljust(BLOCK, b"\0")))
    stream = encrypt(keys, b"".join(b"\x02" + nonce + n.to_bytes(3, "big") for n in range(2 + len(data) // BLOCK)))
    return _xor(mac, stream[:BLOCK]) + _xor(data, stream[BLOCK : BLOCK + len(data)])
