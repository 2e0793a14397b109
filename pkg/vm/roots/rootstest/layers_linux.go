// SPDX-License-Identifier: MPL-2.0

package rootstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Layers is a roots.Layers in memory. A layer is named by its content and the layers below
// it. Layers is safe for concurrent use.
type Layers struct {
	mu     sync.Mutex
	layers map[string]stored // by name
}

type stored struct {
	below string
	tar   []byte
}

// Tree implements roots.Layers.
func (l *Layers) Tree(ctx context.Context, layer string) (*tree.Tree, func() error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var chain []tree.Layer
	for id := layer; id != ""; {
		s, ok := l.layers[id]
		if !ok {
			return nil, nil, fmt.Errorf("there is no layer %q", id)
		}
		chain = append([]tree.Layer{{Name: "layer " + id, Tar: bytes.NewReader(s.tar), Size: int64(len(s.tar))}}, chain...)
		id = s.below
	}
	t, err := tree.Merge(ctx, chain, 0, 1)
	return t, func() error { return nil }, err
}

// Put implements roots.Layers.
func (l *Layers) Put(ctx context.Context, below string, write func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(below+" "), b.Bytes()...))
	id := hex.EncodeToString(sum[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.layers == nil {
		l.layers = map[string]stored{}
	}
	l.layers[id] = stored{below, b.Bytes()}
	return id, nil
}
