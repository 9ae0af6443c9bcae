// Package sample has tests that pass, fail, die and hang, chosen by a filter.
package sample

import (
	"os"
	"testing"
	"time"
)

func TestPassesAdds(t *testing.T) {
	if 2+2 != 4 {
		t.Fatal("sums are hard")
	}
}

func TestPassesLater(t *testing.T) { t.Skip("not yet") }

func TestFailsWrong(t *testing.T) { t.Fatal("sums are hard") }

func TestCrashes(_ *testing.T) { os.Exit(3) }

func TestHangs(_ *testing.T) { time.Sleep(time.Hour) }
