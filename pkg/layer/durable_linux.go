// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A layer's files are not synced to disk when it is committed: that would cost more than
// the step. Before a layer is registered, a symbolic link pending/ID is made with the
// target BOOT:OWNER, the boot id and the name of the process's work directory; once a
// later syncfs has succeeded, the link is removed. A link with a different boot id means
// that the machine went down in between, and that the layer may lack data. Making a short
// symbolic link is one metadata operation, which journaling file systems never reorder
// behind the rename of the store's own index.

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// bootID reads the kernel's boot id: 36 characters.
func bootID() (string, error) {
	b, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// syncInterval is how long layers may wait for the background syncfs, so that
// a run of short steps shares one.
const syncInterval = 2 * time.Second

type syncer struct {
	dir  string // GraphRoot/carosbuild/pending
	boot string
	mine string   // target of this process's marks
	root *os.File // any file on the file system to sync

	wake chan struct{}
	quit chan struct{}
	done chan error

	flushing sync.Mutex // held by flush, which writes the first part of waiting

	mu      sync.Mutex
	waiting []waiting
}

// waiting is a complete layer and its mark's target.
type waiting struct{ id, target string }

func startSyncer(graph, boot string, w *wip) (*syncer, error) {
	if boot == "" {
		var err error
		if boot, err = bootID(); err != nil {
			return nil, err
		}
	}
	s := &syncer{
		dir: filepath.Join(graph, "carosbuild", "pending"), boot: boot, mine: boot + ":" + filepath.Base(w.dir),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan error, 1),
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of pending layers: %w", err)
	}
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list pending layers: %w", err)
	}
	if s.root, err = os.Open(s.dir); err != nil {
		return nil, fmt.Errorf("open store directory: %w", err)
	}
	// Sync what dead processes of this boot have not synced.
	for _, n := range names {
		target := mark(s.dir, n.Name())
		if b, owner, ok := strings.Cut(target, ":"); ok && b == boot && !w.alive(owner) {
			s.waiting = append(s.waiting, waiting{n.Name(), target})
		}
	}
	go s.loop()
	if len(s.waiting) > 0 {
		s.wake <- struct{}{}
	}
	return s, nil
}

// mark is the target of a layer's mark, "" if there is none, "?" if it cannot be read.
func mark(dir, id string) string {
	target, err := os.Readlink(filepath.Join(dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil || target == "" {
		return "?"
	}
	return target
}

// damaged reports whether a layer from an earlier boot may lack data.
func damaged(dir, id, boot string) bool {
	target := mark(dir, id)
	return target != "" && !strings.HasPrefix(target, boot+":")
}

// void lists the layers with marks of another boot.
func (s *syncer) void() ([]string, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list pending layers: %w", err)
	}
	var out []string
	for _, n := range names {
		if damaged(s.dir, n.Name(), s.boot) {
			out = append(out, n.Name())
		}
	}
	return out, nil
}

// announce marks a layer that is about to be registered.
func (s *syncer) announce(id string) error {
	path := filepath.Join(s.dir, id)
	err := os.Symlink(s.mine, path)
	if errors.Is(err, fs.ErrExist) {
		if err := s.drop(id); err != nil {
			return err
		}
		err = os.Symlink(s.mine, path)
	}
	if err != nil {
		return fmt.Errorf("mark layer as pending: %w", err)
	}
	return nil
}

func (s *syncer) drop(id string) error {
	err := os.RemoveAll(filepath.Join(s.dir, id))
	if err != nil {
		return fmt.Errorf("remove mark of layer: %w", err)
	}
	return nil
}

// added reports that an announced layer is complete.
func (s *syncer) added(id string) {
	s.mu.Lock()
	s.waiting = append(s.waiting, waiting{id, s.mine})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *syncer) loop() {
	var failed error
	for {
		select {
		case <-s.wake:
			select {
			case <-time.After(syncInterval):
			case <-s.quit:
			}
			if err := s.flush(); err != nil {
				failed = err
			}
		case <-s.quit:
			s.done <- errors.Join(failed, s.flush(), s.root.Close())
			return
		}
	}
}

// flush syncs all complete layers to disk and removes their marks.
func (s *syncer) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	layers := slices.Clone(s.waiting)
	s.mu.Unlock()
	if len(layers) == 0 {
		return nil
	}
	if err := unix.Syncfs(int(s.root.Fd())); err != nil {
		return fmt.Errorf("write layers to the disk: %w", err)
	}
	for _, l := range layers {
		if mark(s.dir, l.id) != l.target {
			continue // taken over by another process
		}
		if err := s.drop(l.id); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.waiting = s.waiting[len(layers):]
	s.mu.Unlock()
	return nil
}

// close syncs what is pending and stops.
func (s *syncer) close() error {
	close(s.quit)
	return <-s.done
}
