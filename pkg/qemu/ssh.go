// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bytes"
	"errors"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// provision is the file by which systemd 252 makes the superuser's authorized_keys
// from a credential.
const provision = "usr/lib/tmpfiles.d/provision.conf"

// CheckKey explains why the system on a disk would not accept Options.Key, as far
// as this can be seen without booting it. A root file system that is neither ext4
// nor FAT is not examined.
func CheckKey(r io.ReaderAt, size int64) error {
	table, err := partition.Read(r, size)
	if err != nil {
		return err
	}
	for _, p := range table.Parts {
		if p.Start <= 0 || p.Size <= 0 || p.Start > size-p.Size {
			continue
		}
		found := map[string]*tree.Entry{}
		all := files(io.NewSectionReader(r, p.Start, p.Size))
		for i := range all {
			found[all[i].Path] = &all[i]
		}
		if found["usr/lib/systemd/systemd"] != nil || found["lib/systemd/systemd"] != nil {
			return checkRoot(found)
		}
	}
	return nil
}

func checkRoot(found map[string]*tree.Entry) error {
	e := found[provision]
	switch {
	case e == nil || !mentions(e, "ssh.authorized_keys.root"):
		return errors.New("its systemd cannot take a key: this needs version 252 or later, with /" + provision)
	case found["usr/sbin/sshd"] == nil:
		return errors.New("it has no ssh server: install openssh-server in the stage")
	case found["root/.ssh/authorized_keys"] != nil:
		return errors.New("it has /root/.ssh/authorized_keys, which systemd does not change: use one of its keys, with --forward PORT:22")
	}
	return nil
}

// mentions reports whether a small file contains a text.
func mentions(e *tree.Entry, text string) bool {
	if e.Content == nil || e.Size > 1<<20 {
		return false
	}
	data, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
	return err == nil && bytes.Contains(data, []byte(text))
}
