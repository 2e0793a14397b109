// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Records is the cache of steps: one small file for each key. It needs neither a user
// namespace nor an opened store. A record is written as a whole and contains its own
// digest, so that a damaged record counts as missing; whether its layer can be trusted
// after a power cut depends on the layer's mark.
type Records struct {
	dir, graph string

	mu    sync.Mutex
	boot  string             // read when first needed
	stamp [2]time.Time       // times of the two indexes from which ids was read
	ids   map[string]indexed // complete layers
}

// indexed is a layer's entry in the store's list.
type indexed struct {
	parent string     // "" for none
	diffID oci.Digest // zero where it is not listed
}

// OpenRecords returns the records in dir for the store at graphRoot. Nothing is read or
// made on disk yet.
func OpenRecords(dir, graphRoot string) *Records {
	return &Records{dir: dir, graph: graphRoot}
}

// RecordsDir is where a store's records are kept by default.
func RecordsDir(graphRoot string) string { return filepath.Join(graphRoot, "carosbuild", "records") }

func (r *Records) path(key string) (string, error) {
	if key == "" || len(key) > 200 || key[0] == '.' || strings.Trim(key,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return "", fmt.Errorf("key %q cannot name a record", key)
	}
	return filepath.Join(r.dir, key), nil
}

// Put stores a record. It does not wait for the disk.
func (r *Records) Put(rec Record) error {
	file, err := r.path(rec.Key)
	if err != nil {
		return fmt.Errorf("put record: %w", err)
	}
	if err := sealed.Write(file, rec); err != nil {
		return fmt.Errorf("put record %s: %w", rec.Key, err)
	}
	return nil
}

// Lookup returns the record of a key, if there is one and its layer is in the
// store and undamaged.
func (r *Records) Lookup(key string) (Record, bool, error) {
	file, err := r.path(key)
	if err != nil {
		return Record{}, false, fmt.Errorf("look up record: %w", err)
	}
	rec, ok, err := readRecord(file)
	if err != nil {
		return Record{}, false, fmt.Errorf("look up record %s: %w", key, err)
	}
	if !ok || rec.Key != key {
		return Record{}, false, nil
	}
	ok, err = r.usable(rec.Layer)
	if err != nil {
		return Record{}, false, fmt.Errorf("look up record %s: %w", key, err)
	}
	if !ok {
		return Record{}, false, nil
	}
	return rec, true, nil
}

func readRecord(file string) (rec Record, ok bool, err error) {
	ok, err = sealed.Read(file, &rec)
	return rec, ok, err
}

// usable reports whether a layer is complete in the store.
func (r *Records) usable(id string) (bool, error) {
	if id == "" {
		return true, nil
	}
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.boot == "" {
		var err error
		if r.boot, err = bootID(); err != nil {
			return false, err
		}
	}
	if err := r.index(); err != nil {
		return false, err
	}
	for at, n := id, 0; at != "" && n <= len(r.ids); n++ { // a layer needs those below it
		l, ok := r.ids[at]
		if !ok || damaged(filepath.Join(r.graph, "carosbuild", "pending"), at, r.boot) || !present(r.graph, at) {
			return false, nil
		}
		at = l.parent
	}
	return true, nil
}

// Chain returns the digests of the layer of a record that was looked up, and of those
// below it, the lowest first; nil if one of them is not listed.
func (r *Records) Chain(id string) []oci.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []oci.Digest
	for at := id; at != "" && len(all) <= len(r.ids); at = r.ids[at].parent {
		d := r.ids[at].diffID
		if d == (oci.Digest{}) {
			return nil
		}
		all = append(all, d)
	}
	slices.Reverse(all)
	return all
}

// index reads which layers the store lists as complete, unless nothing has changed since
// the last time.
func (r *Records) index() error {
	var files [2]string
	var stamp [2]time.Time
	for i, n := range []string{"layers.json", "volatile-layers.json"} {
		files[i] = filepath.Join(r.graph, "overlay-layers", n)
		if st, err := os.Stat(files[i]); err == nil {
			stamp[i] = st.ModTime()
		}
	}
	if r.ids != nil && stamp == r.stamp {
		return nil
	}
	ids := map[string]indexed{}
	for _, f := range files {
		var layers []struct {
			ID     string         `json:"id"`
			Parent string         `json:"parent"`
			Diff   string         `json:"diff-digest"`
			Flags  map[string]any `json:"flags"`
		}
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if json.Unmarshal(b, &layers) != nil {
			continue // no layer counts until opening the store restores the index
		}
		for _, l := range layers {
			if incomplete, _ := l.Flags["incomplete"].(bool); !incomplete {
				diff, _ := oci.ParseDigest(l.Diff) // zero if it is not a digest
				ids[l.ID] = indexed{l.Parent, diff}
			}
		}
	}
	r.ids, r.stamp = ids, stamp
	return nil
}

// Prune removes the records of all other keys, and unfinished records of killed processes.
// Nobody may be writing records.
func (r *Records) Prune(keep map[string]bool) error {
	names, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("prune records: %w", err)
	}
	for _, n := range names {
		if keep[n.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(r.dir, n.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prune records: %w", err)
		}
	}
	return nil
}

// All returns the usable records, in the order of their keys.
func (r *Records) All() ([]Record, error) {
	names, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var out []Record
	for _, n := range names {
		if strings.HasPrefix(n.Name(), ".") {
			continue
		}
		rec, ok, err := r.Lookup(n.Name())
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, rec)
		}
	}
	return out, nil
}
