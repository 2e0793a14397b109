// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// parse parses texts as a.xml, b.xml and so on, which must have no findings.
func parse(t testing.TB, texts ...string) *Declaration {
	t.Helper()
	var files []Source
	for i, text := range texts {
		files = append(files, Source{Name: string(rune('a'+i)) + ".xml", Dirs: []string{"/" + string(rune('a'+i))}, Data: []byte(text)})
	}
	d, fs := Parse(files...)
	if len(fs) > 0 {
		t.Fatalf("findings:\n%s", render(t, files, fs))
	}
	return d
}

var ignoreSpans = cmpopts.IgnoreTypes(finding.Span{}, Places{})

const everything = `<?xml version="1.0" encoding="UTF-8"?>
<redo>
	<layer_declaration>
		<remote name="yocto" baseurl="git://git.example.org/"/>
		<remote name="ssh" baseurl="git@example.org:"/>
		<baselayer remote="yocto" revision="abc" repo="poky"/>
		<layer name="meta-oe" remote="ssh" revision="refs/tags/x" repo="a/b.git" subdirs=" meta-a
			meta-b "/>
	</layer_declaration>
	<local_conf>
A = "1"<!-- no --> &amp; <![CDATA[B = "<&>"]]>
</local_conf>
	<buildstage id="base">
		<action>
			FROM registry.example.org:5000/a/b:1.0
		</action>
		<cache path="/var/cache" id="c"/>
		<action>RUN a &amp;&amp;
b	</action>
		<action><![CDATA[RUN ["a b", "<"]]]></action>
		<action>RUN [ "$A" = b ]</action>
		<action>RUN [[ $A = b ]]</action>
		<action>RUN [ "a" ]</action>
		<action>ADD --chown=0:0 --chmod=0755 /etc/passwd dir/</action>
		<action>ADD ["a b", "/c d"]</action>
		<action>COPY --from=deb a b /c/</action>
		<action>ENV A=1 B="2 3" C='$4' D=$A:${B} E=a\ b \
			F="\"\$\n" G=</action>
		<action>ENV A b  "c" </action>
		<action>WORKDIR /src</action>
		<action>USER www-data:33</action>
		<reposync/>
		<reposync> all </reposync>
		<action>REPOSYNC</action>
		<action>CREATE_BBLAYERS</action>
		<action>CREATE_LOCAL_CONF now</action>
		<bitbake_target command="populate_sdk"> a b </bitbake_target>
	</buildstage>
	<buildstage id="deb" network="none">
		<bootstrap suite="bookworm" arch="armhf" variant="essential" components="main contrib" packages="vim libc6:i386"
			keyring="keys/a.gpg" mirror="https://deb.example.org/debian" security-mirror="none" snapshot="20250101T000000Z"/>
	</buildstage>
	<buildstage id="top"><prestage> base
	</prestage></buildstage>
	<disk id="card" stage="top" table="mbr" size="8G">
		<bios stage="deb"/>
		<blob stage="deb" from="/u-boot.bin" at="8K" check="sunxi-spl"/>
		<partition name="boot" type="0c" fs="fat32" label="BOOT" start="1M" size="128M" active="yes" uuid="ABCD-0123">
			<copy from="/boot/vmlinuz-*" to="/vmlinuz"/>
			<copy stage="deb" from="/x" to="/y/"/>
			<file to="/extlinux/extlinux.conf">
default caros
  append ro
			</file>
			<file to="/empty" mode="0600"/>
			<initrd stage="deb" to="/initrd.img" modules="ext4 ahci"/>
			<loader cmdline="root=LABEL=X ro"/>
			<loader kernel="/k" initrd="" title="CarOS" timeout="5"/>
		</partition>
		<partition fs="ext4" size="fit+512M" path="/" stage="deb" grow="yes" uuid="4f68bce3-e8cd-4db1-96e7-fbcaf984b709"/>
		<vm product="CarOS" vendor="V" version="1" cores="2" memory="8G" nics="3" firmware="efi"/>
		<expect console="login:" within="5m"/>
		<expect console="ready"/>
	</disk>
	<disk id="min"><partition size="1M"/></disk>
	<disk id="full" align="4M" guid="4f68bce3-e8cd-4db1-96e7-fbcaf984b709">
		<partition name="boot" fs="fat16" size="64M" hybrid="yes" attributes="legacy-boot no-auto">
			<extlinux fdt="/b.dtb" cmdline="ro" title="T" timeout="3"/>
			<extlinux to="/e.conf" kernel="/k" initrd=""/>
			<bootscript>
setenv a b
			</bootscript>
			<bootscript to="/s.scr" name="n">x</bootscript>
			<uki stub="/stub" kernel="/boot/vmlinuz-*" cmdline="quiet"/>
			<uki to="/u.efi" stage="deb" stub="/stub" kernel="/k" modules="ext4 nvme" programs="/sbin/a /sbin/b" compression="zstd"/>
			<initrd to="/i" programs="/usr/sbin/veritysetup" kernel="6.1.0" compression="gzip"/>
		</partition>
		<partition name="root" fs="squashfs" size="fit" path="/r*.tar" compression="xz"/>
		<partition name="hash" fs="verity" size="fit" of="root"/>
		<partition name="old" fs="ext4" size="fit" profile="compat"/>
		<partition fs="swap" size="1G" label="SWAP"/>
		<partition size="fit" from="/x.img"/>
		<vm name="n" product-url="https://a" vendor-url="https://b" network="LAN" controller="ahci" hardware="vmx-13 vmx-14" guest="debian11_64Guest">
			<data-disk size="1G"/>
			<data-disk size="2G"/>
			<annotation>
				Two
				lines.
			</annotation>
			<eula>One.</eula>
		</vm>
	</disk>
</redo>
`

var someUUID = uuid.UUID{0x4f, 0x68, 0xbc, 0xe3, 0xe8, 0xcd, 0x4d, 0xb1, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09}

func ptr[T any](v T) *T { return &v }

// TestSpans checks the places of the parts of a declaration.
func TestSpans(t *testing.T) {
	d := parse(t, everything)
	files := []Source{{Name: "a.xml", Data: []byte(everything)}}
	under := func(s finding.Span) string {
		line, ok := lineOf(s, files)
		if !ok {
			t.Fatalf("%+v is not in the file", s)
		}
		return string([]rune(string(line))[s.Col-1 : s.Col-1+s.Len])
	}
	got := []string{
		under(d.Remotes[0].Span), under(d.Base.Span), under(d.Layers[0].Span), under(d.LocalConf[0].Span),
		under(d.Stages[0].Span), under(d.Stages[2].PrestageSpan), under(d.Stages[0].Caches[0].Span), under(d.Stages[1].Bootstrap.Span),
		under(d.Disks[0].Span), under(d.Disks[0].BIOS.Span), under(d.Disks[0].Blobs[0].Span), under(d.Disks[0].Partitions[0].Span),
		under(d.Disks[0].Partitions[1].Span), under(d.Disks[0].VM.Span), under(d.Disks[0].Expects[0].Span),
		under(d.Disks[0].Partitions[0].Items[0].At("")), under(d.Disks[0].Partitions[0].Items[2].At("")), under(d.Disks[0].Partitions[0].Items[5].At("")),
	}
	want := []string{
		"<remote", "<baselayer", "<layer", `A = "1"<!-- no --> &amp; <![CDATA[B = "<&>"`,
		"base", "base", "/var/cache", "<bootstrap",
		"card", "<bios", "/u-boot.bin", "boot",
		"partition", "<vm", "login:",
		"/boot/vmlinuz-*", "/extlinux/extlinux.conf", "loader",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("marked text (-got +want):\n%s", diff)
	}
	got = nil
	for _, a := range d.Stages[0].Actions[:9] {
		got = append(got, under(a.Written().Span))
	}
	want = []string{
		"registry.example.org:5000/a/b:1.0", "a &amp;&amp;", `["a b", "<"]`, `[ "$A" = b ]`,
		"[[ $A = b ]]", `[ "a" ]`,
		"--chown=0:0 --chmod=0755 /etc/passwd dir/", `["a b", "/c d"]`, "--from=deb a b /c/",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("marked actions (-got +want):\n%s", diff)
	}
}

func TestMerge(t *testing.T) {
	base := `<redo>
	<layer_declaration>
		<remote name="a" baseurl="git://a.example.org/"/><remote name="b" baseurl="git://b.example.org/"/>
		<baselayer remote="a" revision="1" repo="r"/>
		<layer name="l1" remote="a" revision="1" repo="r" subdirs="x"/><layer name="l2" remote="a" revision="1" repo="r"/><bblayers>meta</bblayers>
	</layer_declaration>
	<local_conf>A</local_conf>
	<bblayers_conf>X</bblayers_conf>
	<buildstage id="s1"><action>FROM debian:12</action><action>RUN true</action></buildstage>
	<buildstage id="s2"><prestage>s1</prestage></buildstage>
	<disk id="d1" size="1G"><partition name="p" size="1M"/></disk><disk id="d2"><partition size="1M"/></disk>
</redo>`
	overlay := `<redo>
	<layer_declaration>
		<remote name="a" baseurl="git://c.example.org/"/>
		<baselayer remote="b" revision="2" repo="r"/>
		<layer name="l3" remote="b" revision="3" repo="r"/><layer name="l1" remote="b" revision="2" repo="r"/>
		<bblayers>l3 meta</bblayers>
	</layer_declaration>
	<local_conf>B</local_conf>
	<bblayers_conf>Y</bblayers_conf>
	<buildstage id="s3"><prestage>s2</prestage></buildstage>
	<buildstage id="s1"><action>FROM debian:13</action></buildstage>
	<disk id="d1" stage="s1"><partition size="2M"/></disk>
</redo>`
	want := &Declaration{
		Files:   []string{"a.xml", "b.xml"},
		Remotes: []Remote{{Name: "a", BaseURL: "git://c.example.org/"}, {Name: "b", BaseURL: "git://b.example.org/"}},
		Base:    &BaseLayer{Remote: "b", Revision: "2", Repo: "r"},
		Layers: []GitLayer{
			{Name: "l1", Remote: "b", Revision: "2", Repo: "r"},
			{Name: "l2", Remote: "a", Revision: "1", Repo: "r"},
			{Name: "l3", Remote: "b", Revision: "3", Repo: "r"},
		},
		LocalConf:    []LocalConf{{Text: "A"}, {Text: "B"}},
		BBLayers:     &BBLayers{Paths: []string{"l3", "meta"}},
		BBLayersConf: []LocalConf{{Text: "X"}, {Text: "Y"}},
		Stages: []*Stage{
			{ID: "s1", Dirs: []string{"/b"}, Actions: []Action{&From{Argument: Argument{Text: "debian:13"}, Image: "debian:13"}}},
			{ID: "s2", Dirs: []string{"/a"}, Prestage: "s1"},
			{ID: "s3", Dirs: []string{"/b"}, Prestage: "s2"},
		},
		Disks: []*Disk{
			{ID: "d1", Stage: "s1", Table: "gpt", Partitions: []*Partition{{Size: bytesize.Partition{Bytes: 2 << 20}}}},
			{ID: "d2", Table: "gpt", Partitions: []*Partition{{Size: bytesize.Partition{Bytes: 1 << 20}}}},
		},
	}
	if diff := cmp.Diff(parse(t, base, overlay), want, ignoreSpans, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("declaration (-got +want):\n%s", diff)
	}
}

// TestReplacedReferences: references of a replaced stage are not checked.
func TestReplacedReferences(t *testing.T) {
	parse(t, `<redo><buildstage id="a"><prestage>nowhere</prestage></buildstage></redo>`,
		`<redo><buildstage id="a"><action>FROM debian:12</action></buildstage></redo>`)
}

func TestSingleElement(t *testing.T) {
	d := parse(t, `<disk id="x" table="gpt"><partition name="root" fs="ext4" size="2G" path="/"/></disk>`)
	want := []*Disk{{ID: "x", Table: "gpt", Partitions: []*Partition{{Name: "root", FS: "ext4", Size: bytesize.Partition{Bytes: 2 << 30}, Path: "/"}}}}
	if diff := cmp.Diff(d.Disks, want, ignoreSpans, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("disks (-got +want):\n%s", diff)
	}
}

func TestNoFiles(t *testing.T) {
	if d, fs := Parse(); d == nil || len(fs) != 0 || len(d.Stages) != 0 {
		t.Errorf("Parse() = %v, %v", d, fs)
	}
}

// TestRealDeclarations parses the published declarations that are kept beside
// the project where it is developed.
func TestRealDeclarations(t *testing.T) {
	const dir = "../../../shared/declarations/"
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("the published declarations are not here")
		}
		t.Skip("the published declarations are not here: ", err)
	}
	groups := [][]string{
		{dir + "redomat-example/example.xml"},
		{dir + "redomat-example/example-base.xml", dir + "redomat-example/example-overlay.xml"},
	}
	caros, err := filepath.Glob(dir + "caros/*.xml")
	if err != nil || len(caros) == 0 {
		t.Fatalf("no declarations in %s: %v", dir, err)
	}
	for _, name := range caros {
		groups = append(groups, []string{name})
	}
	for _, names := range groups {
		t.Run(filepath.Base(names[0]), func(t *testing.T) {
			var texts []string
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(data))
			}
			d := parse(t, texts...)
			if leaves := d.Leaves(); len(leaves) != 1 || leaves[0] != d.Stages[len(d.Stages)-1] || len(d.Stages) < 3 && len(names) == 1 {
				t.Errorf("leaves %v of %d stages", leaves, len(d.Stages))
			}
			if strings.Contains(names[0], "caros-") && len(d.LocalConf) == 1 && !strings.HasPrefix(d.LocalConf[0].Text, "\n\t\t\nMACHINE = ") {
				t.Errorf("local_conf is not verbatim: %q", d.LocalConf[0].Text)
			}
		})
	}
}

func TestLeaves(t *testing.T) {
	const (
		a     = `<buildstage id="a"><action>FROM debian:12</action></buildstage>`
		b     = `<buildstage id="b"><prestage>a</prestage></buildstage>`
		tools = `<buildstage id="tools"><prestage>a</prestage></buildstage>`
		copyB = `<buildstage id="c"><prestage>a</prestage><action>COPY --from=b /x /y</action></buildstage>`
		disk  = `<disk id="d" stage="b"><bios stage="tools"/><partition size="1M"/></disk>`
		both  = `<disk id="e" stage="tools"><partition size="1M"/></disk>`
	)
	tests := []struct{ name, text, want string }{
		{"none", "", ""},
		{"one", a, "a"},
		{"chain", a + b, "b"},
		{"two", a + b + tools, "b tools"},
		{"copied from", a + b + copyB, "c"},
		{"disk", a + b + tools + disk, "b"},
		{"own disk", a + b + tools + disk + both, "b tools"},
	}
	for _, tt := range tests {
		d := parse(t, "<redo>"+tt.text+"</redo>")
		var got []string
		for _, s := range d.Leaves() {
			got = append(got, s.ID)
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: leaves %q, want %q", tt.name, got, tt.want)
		}
	}
	d := parse(t, "<redo>"+a+b+tools+disk+"</redo>")
	if d.Stage("b") != d.Stages[1] || d.Stage("x") != nil || d.Disk("d") != d.Disks[0] || d.Disk("x") != nil {
		t.Error("Stage or Disk finds the wrong one")
	}
}

func TestBase(t *testing.T) {
	for _, tt := range []struct{ text, name string }{
		{`<redo base="a.xml"/>`, "a.xml"},
		{`<?xml version="1.0"?><!-- x --><redo base="d/a.xml"><buildstage id="a"/></redo>`, "d/a.xml"},
		{`<redo base=""/>`, ""},
		{`<redo/>`, ""},
		{`<disk id="d" base="a.xml"/>`, ""},
		{`<redo base="a.xml"><buildstage`, "a.xml"},
		{`<redo base="a.xml`, ""},
		{``, ""},
	} {
		if name, at := Base(Source{Name: "f.xml", Data: []byte(tt.text)}); name != tt.name || (name != "") != (at.Len > 0) {
			t.Errorf("%s: base %q at %+v, want %q", tt.text, name, at, tt.name)
		}
	}
}

// TestNamelessStages numbers stages without an id over all files, past names
// that are taken.
func TestNamelessStages(t *testing.T) {
	d := parse(t,
		`<redo><buildstage><action>FROM a</action></buildstage><buildstage id="auto_stagename_2"><action>FROM a</action></buildstage></redo>`,
		`<redo><buildstage id=""><prestage>auto_stagename_1</prestage></buildstage></redo>`)
	var got []string
	for _, s := range d.Stages {
		got = append(got, s.ID+" from "+s.Prestage)
	}
	want := []string{"auto_stagename_1 from ", "auto_stagename_2 from ", "auto_stagename_3 from auto_stagename_1"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("stages (-got +want):\n%s", diff)
	}
}

// TestDeprecatedNames accepts the names of redomat's manual.
func TestDeprecatedNames(t *testing.T) {
	d, findings := Parse(Source{Name: "a.xml", Data: []byte(`<redo>
	<layer_declaration><remote name="a" fetch="git://example.org/"/><baselayer remote="a" revision="1" reponame="poky"/></layer_declaration>
	<buildstage id="s"><dockerline>FROM debian:12</dockerline></buildstage></redo>`)})
	if findings.HasErrors() || len(findings) != 3 {
		t.Fatalf("findings %v, want three warnings", findings)
	}
	got := d.Remotes[0].BaseURL + d.Base.Repo + " " + d.Stages[0].Actions[0].(*From).Image
	if want := "git://example.org/poky debian:12"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStageText finds a stage as it is written, and not one that is not closed.
func TestStageText(t *testing.T) {
	const stage = "<buildstage  id='b'>\n\t\t<action><![CDATA[RUN </buildstage>]]></action>\n\t</buildstage>"
	src := Source{Name: "a.xml", Data: []byte("<redo>\n\t<!-- <buildstage id=\"b\"/> -->\n\t<buildstage id=\"a\"/>\n\t" + stage + "\n\t<disk id=\"b\"/>\n</redo>")}
	for id, want := range map[string]string{"b": "\t" + stage, "a": "\t<buildstage id=\"a\"/>", "c": ""} {
		if got := StageText(src, id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	for _, text := range []string{"", "<redo><buildstage id=\"b\">"} {
		if got := StageText(Source{Name: "a.xml", Data: []byte(text)}, "b"); got != "" {
			t.Errorf("%s: got %q", text, got)
		}
	}
}
