"""Keys sign, verify, and are kept from other users."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import IdentityError, SettingError, SignatureError
from common.identity import Identity, PublicKey, canonical_json, load_or_make

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=8,
)


def test_the_signature_of_rfc_8032_is_verified():
    # RFC 8032, section 7.1, test 2: one byte, 0x72.
    public = PublicKey("ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    public.verify(base64.urlsafe_b64encode(signature).rstrip(b"=").decode(), b"\x72")


def test_what_was_signed_is_verified_with_the_public_key_as_text():
    identity = Identity.make()
    PublicKey(identity.public.text).verify(identity.sign(b"work"), b"work")


@pytest.mark.parametrize("signature", ["", "x", "A" * 86, "é" * 86, "A" * 85 + "="])
def test_anything_else_than_a_signature_is_refused(signature):
    with pytest.raises(SignatureError, match="not by ed25519:"):
        Identity.make().public.verify(signature, b"work")


def test_altered_bytes_and_other_keys_are_refused():
    identity = Identity.make()
    signature = identity.sign(b"work")
    with pytest.raises(SignatureError):
        identity.public.verify(signature, b"Work")
    with pytest.raises(SignatureError):
        Identity.make().public.verify(signature, b"work")


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:" + "A" * 42, "ed25519:" + "-" * 43])
def test_a_public_key_is_32_bytes_written_in_one_way(text):
    with pytest.raises(SettingError, match="is no public key"):
        PublicKey(text)


def test_a_key_is_kept_in_a_file_of_its_owner(tmp_path):
    umask = os.umask(0)
    try:
        made = load_or_make(tmp_path / "keys" / "site.pem")
    finally:
        os.umask(umask)
    path = tmp_path / "keys" / "site.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_or_make(path).public == made.public
    assert list(path.parent.iterdir()) == [path]


def test_a_key_in_use_is_never_overwritten(tmp_path):
    path = tmp_path / "site.pem"
    made = load_or_make(path)
    with pytest.raises(FileExistsError):
        Identity.make().save(path)
    assert Identity.load(path).public == made.public


def test_threads_that_make_a_key_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(load_or_make, [tmp_path / "site.pem"] * 8))
    assert len({identity.public for identity in made}) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_use_is_not_used(tmp_path, mode):
    path = tmp_path / "site.pem"
    load_or_make(path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match=f"chmod 600 {path}"):
        Identity.load(path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----", b"\xff" * 5000])
def test_a_file_that_holds_no_key_is_named(tmp_path, content):
    path = tmp_path / "site.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityError, match=rf"{path} cannot be read \(it holds no private key\)"):
        load_or_make(path)


@given(json_values)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    assert canonical_json(turned(value)) == canonical_json(value)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud800"])
def test_what_is_no_json_has_no_canonical_text(value):
    with pytest.raises(ValueError):  # noqa: PT011 - any: json's own
        canonical_json({"a": value})


def test_an_odd_number_is_written_the_same_in_another_process():
    text = canonical_json({"wh": 0.1 + 0.2, "n": 2**60})
    code = "from common.identity import canonical_json as c; print(c({'n': 2**60, 'wh': .1 + .2}))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == str(text)
