// SPDX-License-Identifier: MPL-2.0

// Package sealed stores small values so that damage is noticed: as JSON with the
// SHA-256 of its bytes. It does not tell damage from absence, for its values can
// all be made again.
package sealed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// document is the file format: a value as JSON and the SHA-256 of its bytes.
// What was only half on the disk when the power went is thus known as such,
// and nobody has to wait for the disk.
type document struct {
	Record json.RawMessage `json:"record"`
	SHA256 string          `json:"sha256"`
}

// Seal is the content of a file for v.
func Seal(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return json.Marshal(document{body, hex.EncodeToString(sum[:])})
}

// Write stores v, in a directory that is made if need be.
func Write(file string, v any) error {
	data, err := Seal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return freshfile.Write(file, data, false)
}

// Read reads what Write stored into v. A file that is missing or
// damaged is not an error: ok is false.
func Read(file string, v any) (ok bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return open(data, v), nil
}

func open(data []byte, v any) bool {
	var f document
	if json.Unmarshal(data, &f) != nil {
		return false
	}
	sum := sha256.Sum256(f.Record)
	return hex.EncodeToString(sum[:]) == f.SHA256 && json.Unmarshal(f.Record, v) == nil
}

// ReadSince is Read for what earlier versions of this program have written without a
// digest: that is taken as it is.
func ReadSince(file string, v any) (ok bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if unsealed(data) {
		return json.Unmarshal(data, v) == nil, nil
	}
	return open(data, v), nil
}

// unsealed reports whether data is a JSON object that has never had a digest. One flipped
// bit does not make one of a document, which has two keys to know it by.
func unsealed(data []byte) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(data, &keys) != nil {
		return false
	}
	for k := range keys {
		if k == "record" || k == "sha256" {
			return false
		}
	}
	return true
}
