// SPDX-License-Identifier: MPL-2.0

//go:build peers

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
)

// TestPeersUtilLinux compares what is on a disk with what blkid and sfdisk say,
// on the images of util-linux' tests. Kinds that only blkid knows are counted
// as not named; another word for one is a disagreement.
func TestPeersUtilLinux(t *testing.T) {
	dir := peerSources(t, "util-linux")
	explained := explanations(t)
	agree, unnamed, wrong := 0, []string{}, []string{}
	for _, kind := range []string{"images-fs", "images-pt"} {
		images, err := filepath.Glob(filepath.Join(dir, "util-linux/tests/ts/blkid", kind, "*.img.xz"))
		if err != nil || len(images) == 0 {
			t.Fatalf("no images of util-linux: %v", err)
		}
		for _, image := range images {
			name := strings.TrimSuffix(filepath.Base(image), ".img.xz")
			path := filepath.Join(t.TempDir(), "image")
			if !unpackImage(t, image, path) {
				continue
			}
			theirs, ours := blkidWord(t, path), ownWord(path)
			switch {
			case theirs == ours:
				agree++
			case ours == "":
				unnamed = append(unnamed, name+": "+theirs)
			case explained[name] == "":
				wrong = append(wrong, fmt.Sprintf("%s: blkid says %q, carosbuild %q", name, theirs, ours))
			}
		}
	}
	t.Logf("blkid and sfdisk: agreement on %d images, %d of kinds that are not named, %d disagreements", agree, len(unnamed), len(wrong))
	t.Logf("disagreements:\n   %s", strings.Join(wrong, "\n   "))
	t.Logf("not named:\n   %s", strings.Join(unnamed, "\n   "))
	if len(wrong) > goal {
		t.Errorf("%d disagreements, and %d are the goal", len(wrong), goal)
	}
}

// blkidWord is what blkid calls the content and, of a partition table that
// sfdisk reads, where the partitions are.
func blkidWord(t *testing.T, path string) string {
	t.Helper()
	out, _ := verdictOf(t, "blkid", "-p", "-o", "export", path)
	values := map[string]string{}
	for line := range strings.Lines(out) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[k] = v
	}
	switch table := values["PTTYPE"]; {
	case values["TYPE"] != "":
		return kindWord(values["TYPE"], values["LABEL"], values["UUID"])
	case table == "gpt" || table == "dos":
		return strings.Replace(table, "dos", "mbr", 1) + sfdiskParts(t, path)
	default:
		return table
	}
}

// ownWords are this program's words for kinds that blkid calls otherwise.
var ownWords = map[string]string{"crypto_LUKS": "luks", "LVM2": "lvm", "DM_verity_hash": "verity", "BitLocker": "bitlocker", "linux": "mdraid"}

// kindWord is a kind of file system with label and UUID, where both sides read
// them.
func kindWord(kind, label, uuid string) string {
	kind = strings.TrimSuffix(strings.TrimSuffix(kind, "_member"), "_raid")
	if word := ownWords[kind]; word != "" {
		kind = word
	}
	if strings.HasPrefix(kind, "ext") || kind == "vfat" {
		label = strings.ReplaceAll(label, `\ `, " ")
		if strings.ContainsFunc(label, func(r rune) bool { return r > '~' }) || strings.Contains(label, "M-") {
			label = "(not ASCII)"
		}
		return fmt.Sprintf("%s label=%s uuid=%s", kind, label, uuid)
	}
	return kind
}

func sfdiskParts(t *testing.T, path string) string {
	t.Helper()
	out, status := verdictOf(t, "sfdisk", "--json", path)
	var dump struct {
		Table struct {
			Partitions []struct {
				Node        string
				Start, Size int64
				Type        string
			}
		} `json:"partitiontable"`
	}
	if status != 0 || json.Unmarshal([]byte(out[max(strings.Index(out, "{"), 0):]), &dump) != nil {
		return " " + out
	}
	var b strings.Builder
	for _, p := range dump.Table.Partitions {
		if typ := strings.ToLower(p.Type); typ != "5" && typ != "f" && typ != "85" { // extended ones are not partitions here
			fmt.Fprintf(&b, " %s:%d+%d", strings.TrimPrefix(p.Node, path), p.Start*512, p.Size*512)
		}
	}
	return b.String()
}

// ownWord is the same of this program, "" for nothing known.
func ownWord(path string) (word string) {
	o, err := disk.OpenDisk(path)
	if err != nil {
		return err.Error()
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	d, err := inspect.Open(o)
	if errors.Is(err, inspect.ErrNoDisk) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	r, err := d.Report()
	if err != nil {
		return err.Error()
	}
	if r.Table == nil {
		if len(r.Partitions) == 0 {
			return ""
		}
		fs := r.Partitions[0].FileSystem
		kind := fs.Kind
		if strings.HasPrefix(kind, "fat") {
			kind = "vfat"
		}
		return kindWord(kind, fs.Label, fs.UUID)
	}
	var b strings.Builder
	b.WriteString(r.Table.Kind)
	for _, p := range r.Partitions {
		fmt.Fprintf(&b, " %d:%d+%d", p.Number, p.Start, p.Size)
	}
	return b.String()
}
