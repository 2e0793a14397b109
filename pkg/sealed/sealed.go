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

// Write stores v, in a directory that is made if need be.
func Write(file string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	data, err := json.Marshal(document{body, hex.EncodeToString(sum[:])})
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
	var f document
	if json.Unmarshal(data, &f) != nil {
		return false, nil
	}
	sum := sha256.Sum256(f.Record)
	return hex.EncodeToString(sum[:]) == f.SHA256 && json.Unmarshal(f.Record, v) == nil, nil
}
