// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/results"
)

// maxDigests is more than the file of digests ever has, in bytes.
const maxDigests = 64 << 20

// Digests are SHA-256 sums that are computed when they are asked for,
// one at a time, and kept in a file. A key stands for a content.
type Digests struct {
	file    string // "" keeps nothing
	learned func(key, sum string)
	turn    chan struct{}

	mu   sync.Mutex
	sums map[string]string
}

// OpenDigests reads the file, if it is there. Known are sums from elsewhere,
// which are not kept; learned is told each new one.
func OpenDigests(file string, known map[string]string, learned func(key, sum string)) (*Digests, error) {
	d := &Digests{file: file, learned: learned, turn: make(chan struct{}, 1), sums: map[string]string{}}
	f, err := os.Open(file)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(f, maxDigests)).Decode(&d.sums)
		f.Close()
	}
	if errors.Is(err, fs.ErrNotExist) || file == "" {
		err = nil
	}
	if err != nil || d.sums == nil { // it can be made again
		d.sums = map[string]string{}
	}
	for key, sum := range known {
		d.sums[key] = sum
	}
	return d, nil
}

// Known is the sum of a key, or "".
func (d *Digests) Known(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sums[key]
}

// Of is the sum of a content; open is called when it is not known yet.
func (d *Digests) Of(ctx context.Context, key string, open func() (results.Content, error)) (string, error) {
	if sum := d.Known(key); sum != "" {
		return sum, nil
	}
	select { // many may ask at once: the first one reads
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if sum := d.Known(key); sum != "" {
		return sum, nil
	}
	f, err := open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, ctxio.Reader(ctx, f), make([]byte, 1<<20)); err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return sum, d.learn(key, sum)
}

func (d *Digests) learn(key, sum string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sums[key] = sum
	if d.learned != nil {
		d.learned(key, sum)
	}
	if d.file == "" {
		return nil
	}
	data, err := json.Marshal(d.sums)
	if err != nil {
		return err
	}
	_ = freshfile.Write(d.file, data, false) // a directory that cannot be written to costs time, nothing else
	return nil
}
