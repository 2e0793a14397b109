// SPDX-License-Identifier: MPL-2.0

package signed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keys are public keys.
type Keys = openpgp.EntityList

// ReadKeyring reads public keys, armored or binary, from the files.
func ReadKeyring(paths []string) (Keys, error) {
	var all Keys
	for _, p := range paths {
		data, err := readRegular(p, 16<<20)
		if err != nil {
			return nil, fmt.Errorf("read keyring: %w", err)
		}
		read := openpgp.ReadKeyRing
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP")) {
			read = openpgp.ReadArmoredKeyRing
		}
		keys, err := read(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("read keyring %s: %w", p, err)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// readRegular reads a regular file of at most limit bytes. A declaration may name
// anything: a pipe without a writer, or an endless device.
func readRegular(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case st.Size() > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// VerifyClearsigned returns the text of a cleartext-signed message if at least one
// of its signatures was made by a key of the keyring that is valid at now. Debian
// signs with several keys at once, some of which a keyring may not have. Nothing
// may precede or follow the signed text.
func VerifyClearsigned(message []byte, keys Keys, now time.Time) (string, error) {
	if !bytes.HasPrefix(message, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return "", errors.New("not a cleartext-signed message")
	}
	block, rest := clearsign.Decode(message)
	if block == nil {
		return "", errors.New("malformed cleartext-signed message")
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return "", errors.New("text after the signature")
	}
	if err := verifyAny(block.Bytes, block.ArmoredSignature.Body, keys, now); err != nil {
		return "", err
	}
	return string(block.Plaintext), nil
}

// VerifyDetached checks a message against signatures in a separate file, armored or
// binary, one of which has to be good.
func VerifyDetached(message, signature []byte, keys Keys, now time.Time) error {
	var body io.Reader = bytes.NewReader(signature)
	if bytes.HasPrefix(bytes.TrimSpace(signature), []byte("-----BEGIN PGP")) {
		block, err := armor.Decode(bytes.NewReader(signature))
		if err != nil {
			return fmt.Errorf("read signature: %w", err)
		}
		body = block.Body
	}
	return verifyAny(message, body, keys, now)
}

// UnknownKeys says that no known key has signed.
type UnknownKeys struct{ Keys []string }

func (u *UnknownKeys) Error() string { return strings.Join(u.Keys, " and ") }

// verifyAny requires one of the signatures in body to be good.
func verifyAny(text []byte, body io.Reader, keys Keys, now time.Time) error {
	config := &packet.Config{Time: func() time.Time { return now }}
	packets := packet.NewReader(body)
	var failures []string
	unknown := &UnknownKeys{}
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read signature: %w", err)
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return errors.New("something other than a signature in the signature block")
		}
		name, err := verifyOne(text, sig, keys, config)
		if err == nil {
			return nil
		}
		failures = append(failures, name+": "+err.Error())
		if errors.Is(err, pgperrors.ErrUnknownIssuer) {
			unknown.Keys = append(unknown.Keys, name)
		}
	}
	switch {
	case len(failures) == 0:
		return errors.New("no signature")
	case len(failures) == len(unknown.Keys):
		return unknown
	}
	return fmt.Errorf("no good signature: %s", strings.Join(failures, "; "))
}

// verifyOne checks a signature with the keys; name is that of its key.
func verifyOne(text []byte, sig *packet.Signature, keys Keys, config *packet.Config) (name string, err error) {
	name = "a key without an id"
	if sig.IssuerKeyId != nil {
		name = fmt.Sprintf("key %016X", *sig.IssuerKeyId)
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		return name, err
	}
	_, _, err = openpgp.VerifyDetachedSignature(keys, bytes.NewReader(text), &raw, config)
	return name, err
}
