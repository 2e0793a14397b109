// SPDX-License-Identifier: MPL-2.0

package uuid

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUUID(t *testing.T) {
	const text = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	want := UUID{0x4f, 0x68, 0xbc, 0xe3, 0xe8, 0xcd, 0x4d, 0xb1, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09}
	for _, s := range []string{text, strings.ToUpper(text), "4F68bce3-e8CD-4db1-96e7-fbcaf984b709"} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	if want.String() != text {
		t.Errorf("got %s, want %s", want, text)
	}
	for _, s := range []string{
		"", text[1:], text + "0", " " + text, text + "\n", strings.ReplaceAll(text, "-", ""), "{" + text + "}", "g" + text[1:],
		"4f68bce3e-8cd-4db1-96e7-fbcaf984b709", "4f68-bce3e8cd4db196e7fbcaf984b709", "-" + text[:35], "4F68-BCE3",
	} {
		if got, err := Parse(s); err == nil || got != (UUID{}) {
			t.Errorf("Parse(%q) = %v, want an error", s, got)
		}
	}
	data, err := json.Marshal(&want)
	var got *UUID
	if err != nil || string(data) != `"`+text+`"` || json.Unmarshal(data, &got) != nil || *got != want {
		t.Errorf("JSON: %s, %v, and back %v", data, err, got)
	}
	if err := json.Unmarshal([]byte(`"x"`), &got); err == nil {
		t.Error("x was read as a UUID")
	}
}

func TestSerial(t *testing.T) {
	for s, want := range map[string]Serial{"ABCD-0123": 0xABCD0123, "abcd-0123": 0xABCD0123, "0000-0000": 0, "FFFF-FFFF": 0xFFFFFFFF} {
		got, err := ParseSerial(s)
		if err != nil || got != want || got.String() != strings.ToUpper(s) {
			t.Errorf("ParseSerial(%q) = %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "ABCD0123", "ABCD-012", "ABCD-01234", "ABC-D0123", "ABCD 0123", "GBCD-0123", "-BCD-0123", "ABCD--123"} {
		if got, err := ParseSerial(s); err == nil {
			t.Errorf("ParseSerial(%q) = %s, want an error", s, got)
		}
	}
}
