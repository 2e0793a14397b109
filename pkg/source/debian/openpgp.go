// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// readKeyring reads public keys, armored or binary, from the files.
func readKeyring(paths []string) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	for _, p := range paths {
		data, err := os.ReadFile(p)
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

// verifyClearsigned returns the text of a cleartext-signed message if at least
// one of its signatures was made by a key of the ring that is good at now.
// Debian signs with several keys at a time, not all of which a keyring knows.
// Nothing may stand before or after the signed text.
func verifyClearsigned(message []byte, keys openpgp.EntityList, now time.Time) (string, error) {
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
	config := &packet.Config{Time: func() time.Time { return now }}
	packets := packet.NewReader(block.ArmoredSignature.Body)
	var failures []string
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read signature: %w", err)
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return "", errors.New("something other than a signature in the signature block")
		}
		if err := verifyOne(block.Bytes, sig, keys, config); err != nil {
			failures = append(failures, err.Error())
			continue
		}
		return string(block.Plaintext), nil
	}
	if len(failures) == 0 {
		return "", errors.New("no signature")
	}
	return "", fmt.Errorf("no good signature: %s", strings.Join(failures, "; "))
}

func verifyOne(text []byte, sig *packet.Signature, keys openpgp.EntityList, config *packet.Config) error {
	name := "unknown key"
	if sig.IssuerKeyId != nil {
		name = fmt.Sprintf("key %016X", *sig.IssuerKeyId)
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, _, err := openpgp.VerifyDetachedSignature(keys, bytes.NewReader(text), &raw, config); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
