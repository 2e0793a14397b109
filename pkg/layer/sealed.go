// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sealedFile is a file format: a value as JSON and the SHA-256 of its bytes.
// What was only half on the disk when the power went is thus known as such,
// and nobody has to wait for the disk.
type sealedFile struct {
	Record json.RawMessage `json:"record"`
	SHA256 string          `json:"sha256"`
}

// writeSealed stores v, in a directory that is made if need be.
func writeSealed(file string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	data, err := json.Marshal(sealedFile{body, hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return writeFile(file, data, false)
}

// readSealed reads what writeSealed stored into v. A file that is missing or
// damaged is no error: ok is false.
func readSealed(file string, v any) (ok bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var f sealedFile
	if json.Unmarshal(data, &f) != nil {
		return false, nil
	}
	sum := sha256.Sum256(f.Record)
	return hex.EncodeToString(sum[:]) == f.SHA256 && json.Unmarshal(f.Record, v) == nil, nil
}
