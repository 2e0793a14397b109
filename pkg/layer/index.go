// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/oci"
)

// The store's library cannot open a store whose index it cannot read, and keeps no copy
// of it. We make a copy whenever a store is closed: GraphRoot/carosbuild/index/NAME. It
// replaces an index that is not readable; what was stored after the copy was made has to be
// made or pulled again.

// indexes are the files that the library needs to open a store.
func indexes(graph string) []string {
	return []string{filepath.Join(graph, "overlay-layers", "layers.json"), filepath.Join(graph, "overlay-images", "images.json")}
}

func indexCopy(graph, file string) string {
	return filepath.Join(graph, "carosbuild", "index", filepath.Base(file))
}

// readIndex reads an index of the store, or its copy if the index is damaged.
func readIndex(graph, file string) (data []byte, damaged bool, err error) {
	data, err = os.ReadFile(file)
	if err != nil || json.Valid(data) {
		return data, false, err
	}
	data, err = os.ReadFile(indexCopy(graph, file))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !json.Valid(data) {
		err = fmt.Errorf("the store's index %s: %w, and there is no copy of it; rename or remove the store %s", file, oci.ErrDamaged, graph)
	}
	return data, true, err
}

// restoreIndexes replaces damaged indexes by their copies.
func restoreIndexes(graph string) (restored []string, err error) {
	for _, file := range indexes(graph) {
		data, damaged, err := readIndex(graph, file)
		if err == nil && damaged {
			restored = append(restored, file)
			err = freshfile.Write(file, data, true)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return restored, err
		}
	}
	return restored, nil
}

// saveIndexes copies the indexes that have changed.
func saveIndexes(graph string) error {
	for _, file := range indexes(graph) {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !json.Valid(data) {
			continue
		}
		to := indexCopy(graph, file)
		if old, e := os.ReadFile(to); err == nil && e == nil && bytes.Equal(old, data) {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o700)
		}
		if err == nil {
			err = freshfile.Write(to, data, false)
		}
		if err != nil {
			return fmt.Errorf("copy the store's index: %w", err)
		}
	}
	return nil
}
