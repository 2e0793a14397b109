// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A damage is something that happens to what is stored: a shell script, in which
// $FROM, $ADD and $RUN are the files of three layers, $TOP those of the one above
// them, $G is the store and $C the cache. check is what is made then.
type damage struct {
	check, what, script string
}

// The ways in which what is stored leaves it. What comes out must be the same
// after a damage.
const (
	byDisk   = "disk"   // build --out
	byExport = "export" // build, then export to a new layout
	byTars   = "tars"   // disk oci:... without the store
)

var damages = []damage{
	{byDisk, "FROM layer: a byte of a file", `same $FROM/busybox flip $FROM/busybox 5000`},
	{byDisk, "FROM layer: a file is truncated", `same $FROM/etc/one truncate -s 3 $FROM/etc/one`},
	{byDisk, "FROM layer: a file is removed", `same $FROM/etc rm $FROM/etc/one`},
	{byDisk, "FROM layer: a file is added", `same $FROM/etc touch $FROM/etc/new`},
	{byDisk, "FROM layer: a mode", `chmod 4755 $FROM/busybox`},
	{byDisk, "FROM layer: all of its files are gone", `rm -rf $FROM`},
	{byDisk, "FROM layer: its directory is gone", `rm -rf ${FROM%/diff}`},
	{byDisk, "ADD layer: a byte of a file", `same $ADD/data/big flip $ADD/data/big 300000`},
	{byDisk, "ADD layer: a block has become zeros", `same $ADD/data/big dd if=/dev/zero of=$ADD/data/big bs=65536 seek=2 count=1 conv=notrunc`},
	{byDisk, "ADD layer: a file has become zeros", `same $ADD/data/big dd if=/dev/zero of=$ADD/data/big bs=65536 count=16 conv=notrunc`},
	{byDisk, "ADD layer: a file is longer", `echo x >> $ADD/data/small`},
	{byDisk, "ADD layer: a file is empty", `same $ADD/data/small truncate -s 0 $ADD/data/small`},
	{byDisk, "ADD layer: two files have changed places", `cd $ADD/data; same . sh -c 'mv small x; mv small2 small; mv x small2'`},
	{byDisk, "ADD layer: a file's owner", `chown 7:7 $ADD/data/small`},
	{byDisk, "ADD layer: a file's mode", `chmod 600 $ADD/data/small`},
	{byDisk, "ADD layer: a file's time", `touch -d @5 $ADD/data/small`},
	{byDisk, "ADD layer: an attribute of a file", `attr $ADD/data/small user.x`},
	{byDisk, "ADD layer: a link's target", `same $ADD/data/link ln -sfn elsewhere $ADD/data/link; touch -h -d @1600000000 $ADD/data/link; touch -d @1600000000 $ADD/data`},
	{byDisk, "ADD layer: a directory for a file", `same $ADD/data sh -c "rm $ADD/data/small; mkdir $ADD/data/small"`},
	{byDisk, "ADD layer: a link for a file", `same $ADD/data sh -c "rm $ADD/data/small; ln -s big $ADD/data/small"`},
	{byDisk, "ADD layer: a directory is removed", `same $ADD/data rm -r $ADD/data/sub`},
	{byDisk, "ADD layer: a directory's mode", `chmod 700 $ADD/data/sub`},
	{byDisk, "RUN layer: a byte of a file", `same $RUN/made flip $RUN/made 0`},
	{byDisk, "RUN layer: a whiteout is gone", `same $RUN/etc rm $RUN/etc/two`},
	{byDisk, "RUN layer: a whiteout is added", `same $RUN/etc mknod $RUN/etc/one c 0 0`},
	{byDisk, "RUN layer: a directory hides what it did not", `attr $RUN/etc user.overlay.opaque`},
	{byDisk, "RUN layer: a hard link is another file", `same $RUN sh -c "cp -p $RUN/made2 $RUN/x; rm $RUN/made2; mv $RUN/x $RUN/made2; echo more > $RUN/made2"`},
	{byDisk, "RUN layer: all of its files are gone", `rm -rf $RUN`},
	{byDisk, "top layer: a file is added", `echo x > $TOP/added`},
	{byDisk, "two layers: a byte of a file each", `same $ADD/data/big flip $ADD/data/big 9; same $TOP/top flip $TOP/top 1`},
	{byDisk, "stage that is copied from: a byte of a file", `rm $(record $COPIED) $(record $TOP); same $TOOLS/tools/tool flip $TOOLS/tools/tool 3`},
	{byDisk, "stage that is copied from: a file is added", `rm $(record $COPIED) $(record $TOP); echo x > $TOOLS/tools/bin/added`},
	{byDisk, "stage that is copied from: a file is removed", `rm $(record $COPIED) $(record $TOP); rm $TOOLS/tools/bin/other`},
	{byDisk, "stage that is copied from: a mode", `rm $(record $COPIED) $(record $TOP); chmod 4755 $TOOLS/tools/tool`},
	{byDisk, "a layer's sums: a byte", `flip $(sums $ADD) 200`},
	{byDisk, "a layer's sums: truncated", `truncate -s 100 $(sums $FROM)`},
	{byDisk, "all sums are gone", `rm -rf $G/carosbuild/sums`},
	{byDisk, "sums of two layers have changed places", `swap $(sums $ADD) $(sums $RUN)`},
	{byDisk, "sums are gone and a byte of a file", `rm -rf $G/carosbuild/sums; same $ADD/data/big flip $ADD/data/big 70000`},
	{byDisk, "a step's record: a byte", `for r in $G/carosbuild/records/*; do flip $r 20; done`},
	{byDisk, "a step's record: truncated", `for r in $G/carosbuild/records/*; do truncate -s 30 $r; done`},
	{byDisk, "records of two steps have changed places", `set -- $G/carosbuild/records/*; swap $1 $2`},
	{byDisk, "notes of devices: truncated", `for r in $G/carosbuild/devices/*; do truncate -s 3 $r; done`},
	{byDisk, "a build's note: truncated", `for r in $G/carosbuild/builds/*; do truncate -s 3 $r; done`},
	{byDisk, "what names were resolved to: truncated", `for r in $C/pins/*; do test -f $r && truncate -s 3 $r; done; true`},
	{byDisk, "history of plans: truncated", `find $C/history -type f -exec truncate -s 3 {} +`},
	{byDisk, "list of layers: truncated", `truncate -s 200 $G/overlay-layers/layers.json`},
	{byDisk, "list of layers: empty", `truncate -s 0 $G/overlay-layers/layers.json`},
	{byDisk, "list of layers: gone", `rm $G/overlay-layers/layers.json`},
	{byDisk, "list of images: truncated", `truncate -s 200 $G/overlay-images/images.json`},
	{byDisk, "list of images: empty", `truncate -s 0 $G/overlay-images/images.json`},
	{byDisk, "list of images: gone", `rm $G/overlay-images/images.json`},
	{byDisk, "both lists are gone", `rm $G/overlay-images/images.json $G/overlay-layers/layers.json`},

	{byExport, "ADD layer: a byte of a file", `rm -rf $C/blobs; same $ADD/data/big flip $ADD/data/big 300000`},
	{byExport, "ADD layer: a file is removed", `rm -rf $C/blobs; rm $ADD/data/small`},
	{byExport, "tar record: a byte", `rm -rf $C/blobs; flip $(split $ADD) 100`},
	{byExport, "tar record: truncated", `rm -rf $C/blobs; truncate -s 60 $(split $ADD)`},
	{byExport, "tar record: gone", `rm -rf $C/blobs; rm $(split $TOP)`},
	{byExport, "tar records have changed places", `rm -rf $C/blobs; swap $(split $ADD) $(split $RUN)`},
	{byExport, "image configuration: a byte", `for f in $G/overlay-images/*/=c2hhMjU2*; do flip $f 30; done`},
	{byExport, "image configuration: truncated", `for f in $G/overlay-images/*/=c2hhMjU2*; do truncate -s 9 $f; done`},
	{byExport, "image configuration: gone", `rm $G/overlay-images/*/=c2hhMjU2*`},
	{byExport, "image manifest: a byte", `for f in $G/overlay-images/*/manifest; do flip $f 30; done`},
	{byExport, "compressed layer: a byte", `for f in $C/blobs/blobs/sha256/*; do flip $f 40; done`},
	{byExport, "compressed layer: truncated", `for f in $C/blobs/blobs/sha256/*; do truncate -s 20 $f; done`},
	{byExport, "compressed layer: gone", `rm $C/blobs/blobs/sha256/*`},
	{byExport, "list of compressed layers: places changed", `set -- $C/blobs/index/*; swap $1 $2; swap $2 $3`},
	{byExport, "list of compressed layers: truncated", `for f in $C/blobs/index/*; do truncate -s 9 $f; done`},

	{byTars, "cached layer: a byte", `for f in $C/layers/*.tar; do flip $f 700; done`},
	{byTars, "cached layer: truncated", `for f in $C/layers/*.tar; do truncate -s 1000 $f; done`},
	{byTars, "cached layer: gone", `rm $C/layers/*.tar`},
	{byTars, "cached layer's sum: a byte", `for f in $C/layers/*.json; do flip $f 30; done`},
	{byTars, "cached layer's sum: gone", `rm $C/layers/*.json`},
	{byTars, "cached layers have changed places", `set -- $C/layers/*.tar; swap $1 $2; swap ${1%.tar}.json ${2%.tar}.json`},
}

// helpers are what the scripts call.
const helpers = `set -e
same() { f=$1; shift; t=$(stat -c %y "$f"); "$@" 2>/dev/null; touch -h -d "$t" "$f"; }
flip() { python3 -c 'import sys; f=open(sys.argv[1],"r+b"); f.seek(int(sys.argv[2])); b=f.read(1); f.seek(int(sys.argv[2])); f.write(bytes([b[0]^1]))' "$1" "$2"; }
attr() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], b"y")' "$1" "$2"; }
swap() { mv "$1" "$1.x"; mv "$2" "$1"; mv "$1.x" "$2"; }
id() { basename "${1%/diff}"; }
sums() { echo $G/carosbuild/sums/$(id $1); }
record() { grep -l "\"layer\":\"$(id $1)\"" $G/carosbuild/records/*; }
split() { echo $G/overlay-layers/$(id $1).tar-split.gz; }
`

// damageWorld is a world with a declaration that has a layer of each kind.
type damageWorld struct {
	*world
	right map[string]string // what comes out of each check
	n     int
}

const damageDeclaration = `<redo>
<buildstage id="base"><action>FROM oci:layout:v1</action><action>ADD data /data/</action>
<action>RUN ["/busybox", "sh", "-c", "b=/busybox; echo made > /made; $b ln /made /made2; $b rm /etc/two; $b rm -r /hidden; $b mkdir /hidden; echo x > /etc/three"]</action></buildstage>
<buildstage id="tools"><action>FROM scratch</action><action>ADD tools /tools/</action></buildstage>
<buildstage id="app"><prestage>base</prestage><action>COPY --from=tools /tools /copied</action><action>RUN ["/busybox", "sh", "-c", "echo top > /top"]</action></buildstage>
<disk id="d" stage="app"><partition name="root" fs="ext4" path="/" size="64M"/></disk>
</redo>`

func newDamageWorld(t *testing.T) *damageWorld {
	d := &damageWorld{world: newWorld(t), right: map[string]string{}}
	d.setenv("SOURCE_DATE_EPOCH=1700000000")
	busybox, err := os.ReadFile(tool(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	d.file(t, "from/etc/one", "the first file\n")
	d.file(t, "from/etc/two", "the second file\n")
	d.file(t, "from/hidden/file", "hidden\n")
	if err := os.Chmod(d.file(t, "from/busybox", string(busybox)), 0o755); err != nil {
		t.Fatal(err)
	}
	d.file(t, "from.xml", `<redo><buildstage id="base"><action>FROM scratch</action><action>ADD from /</action>
<action>RUN ["/busybox", "mkdir", "/bin"]</action></buildstage></redo>`)
	d.ok(t, program(t), "build", "-B", "from", "from.xml")
	d.ok(t, program(t), "export", "from:base", "--to", "oci:layout:v1")
	var big bytes.Buffer
	for i := range 1 << 17 {
		fmt.Fprintf(&big, "%07x\n", i*i)
	}
	d.file(t, "data/big", big.String())
	d.file(t, "data/small", "small\n")
	d.file(t, "tools/tool", "a tool\n")
	d.file(t, "tools/bin/other", "another tool\n")
	d.file(t, "data/small2", "other\n")
	d.file(t, "data/sub/file", "below\n")
	if err := os.Symlink("small", filepath.Join(d.work, "data/link")); err != nil {
		t.Fatal(err)
	}
	d.file(t, "a.xml", damageDeclaration)
	d.ok(t, program(t), "build", "-B", "exported", "a.xml")
	for _, check := range []string{byDisk, byExport, byTars} {
		got, r := d.try(t, check)
		if r.status != 0 {
			t.Fatalf("%s: status %d\n%s", check, r.status, r.stderr)
		}
		d.right[check] = got
	}
	return d
}

// try makes what a check makes, and returns a digest of it.
func (d *damageWorld) try(t *testing.T, check string) (string, result) {
	t.Helper()
	d.n++
	switch check {
	case byDisk:
		r := d.carosbuild(t, "--progress=plain", "build", "-B", fmt.Sprintf("b%d", d.n), "--disk", "d", "--out", "out.raw", "a.xml")
		return d.digest(t, "out.raw"), r
	case byTars:
		r := d.carosbuild(t, "--progress=plain", "disk", "oci:layout:v1", "--declaration", "a.xml", "--out", "tars.raw")
		return d.digest(t, "tars.raw"), r
	}
	to := fmt.Sprintf("export-%d", d.n)
	r := d.carosbuild(t, "--progress=plain", "export", "exported:app", "--to", "oci:"+to+":x")
	return d.digest(t, to+"/index.json"), r
}

func (d *damageWorld) digest(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(d.work, name))
	if err != nil {
		return ""
	}
	if err := os.Remove(filepath.Join(d.work, name)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// play does the damage.
func (d *damageWorld) play(t *testing.T, script string) {
	t.Helper()
	vars := "G=" + d.graph + "\nC=" + filepath.Join(d.dir, "home/.cache/carosbuild") + "\n"
	for name, file := range map[string]string{"FROM": "busybox", "ADD": "data/big", "RUN": "made", "TOP": "top", "TOOLS": "tools/tool", "COPIED": "copied/tool"} {
		vars += name + "=$(dirname $(find $G/overlay/*/diff/" + file + " | head -n 1))\n" + name + "=${" + name + "%%/diff/*}\n" + name + "=${" + name + "%/diff}/diff\n"
	}
	cmd := exec.Command("unshare", "--map-auto", "--map-root-user", "bash", "-c", helpers+vars+script)
	if os.Getuid() == 0 {
		cmd = exec.Command("bash", "-c", helpers+vars+script)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// commandsOf are what makes the result that is looked at, as the page calls it.
var commandsOf = map[string]string{byDisk: "`build --out`", byExport: "`export`", byTars: "`disk oci:`"}

// pageRows are the rows of the table of docs/damage.md.
func pageRows(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/damage.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	return rows
}

// TestDamage plays every damage that can come to what is stored. None may change
// what comes out without a word: it heals in the same run, or is named, and one
// build heals it. The outcomes are those of the
// table of docs/damage.md.
func TestDamage(t *testing.T) {
	d := newDamageWorld(t)
	var rows []string
	for _, x := range damages {
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", commandsOf[x.check], x.what, d.outcome(t, x)))
	}
	if diff := cmp.Diff(rows, pageRows(t)); diff != "" {
		t.Errorf("the table of docs/damage.md (-is +page):\n%s", diff)
	}
	if _, ran := d.build(t, "build", "-B", "end", "a.xml"); len(ran) > 0 {
		t.Errorf("in the end steps run again: %q", ran)
	}
}

// outcome is what comes of a damage.
func (d *damageWorld) outcome(t *testing.T, x damage) string {
	t.Helper()
	if x.check == byExport {
		d.ok(t, program(t), "build", "-B", "exported", "a.xml")
	}
	d.play(t, x.script)
	got, r := d.try(t, x.check)
	switch {
	case r.status == 0 && got == d.right[x.check]:
		switch {
		case strings.Contains(r.stderr, "runs again"):
			return "named, made again in the same run"
		case len(executed(r.stderr)) > 0:
			return "made again"
		}
		return "noticed, and put right"
	case r.status == 0:
		t.Errorf("%s: %s: used silently: %s, want %s\n%s", x.check, x.what, got, d.right[x.check], r.stderr)
		d.ok(t, program(t), "build", "--no-cache", "-B", "anew", "a.xml")
		return "USED SILENTLY"
	}
	if !strings.Contains(r.stderr, "damaged") || !strings.Contains(r.stderr, "remedy:") {
		t.Errorf("%s: %s: the message says neither what is damaged nor what helps:\n%s", x.check, x.what, r.stderr)
	}
	d.ok(t, program(t), "build", "-B", "exported", "a.xml")
	if got, r = d.try(t, x.check); r.status != 0 || got != d.right[x.check] {
		t.Errorf("%s: %s: a build does not heal it: %q, status %d\n%s", x.check, x.what, got, r.status, r.stderr)
		return "NOT HEALED"
	}
	return "named, `carosbuild build` heals it"
}
