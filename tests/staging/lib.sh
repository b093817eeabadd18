# Sourced by the scripts in this folder, which have set `project`, from the root of the repository: checks, and the
# programs to use. Defines `docker` and `compose`, and the folder `work`; all of it is removed at the end.

work=$(mktemp -d)
passed=0

say() { printf 'staging: %s\n' "$*"; }
fail() {
  say "FAILED: $*"
  [ ! -s "$work/answer" ] || say "the last answer: $(head -c 2000 "$work/answer")"
  exit 1
}
# ok DESCRIPTION COMMAND... runs a check and counts it.
ok() {
  local what=$1
  shift
  "$@" || fail "$what"
  passed=$((passed + 1))
  say "ok: $what"
}

not() { ! "$@" >/dev/null 2>&1; }

# holds FILTER [FILE]: whether jq finds it true of the JSON.
holds() { jq -e "$@" >/dev/null; }

# --- Tools ---

for tool in curl jq docker; do
  command -v "$tool" >/dev/null || fail "$tool is needed"
done
docker info >/dev/null 2>&1 || fail "a running docker engine is needed (docker info fails)"

# BuildKit is part of docker clients before 23, and of later ones where their buildx plugin is installed.
has_buildkit() {
  "$1" buildx version >/dev/null 2>&1 && return
  local major
  major=$("$1" version --format '{{.Client.Version}}' | cut -d . -f 1)
  [ "$major" -lt 23 ]
}
docker=$(command -v docker)
buildkit=0
while read -r candidate; do
  if has_buildkit "$candidate"; then
    docker=$candidate
    buildkit=1
    break
  fi
done < <(type -ap docker)

if "$docker" compose version >/dev/null 2>&1; then
  compose=("$docker" compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  fail "docker compose (v2, or docker-compose 1.29) is needed"
fi

has_image() { "$docker" image inspect "$1" >/dev/null 2>&1; }
container() { "${compose[@]}" ps -q "$1"; }
is_healthy() { [ "$("$docker" inspect --format '{{.State.Health.Status}}' "$(container "$1")")" = healthy ]; }
within_60s() {
  local end=$((SECONDS + 60))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.5
  done
}
address() { "${compose[@]}" port "$1" "$2"; }
# images SERVICE...: their images, from `compose config` in the file config. docker-compose 1.29 prints services of all profiles.
images() {
  awk -v services=" $* " '
    /^  [a-z0-9-]+:$/ { name = substr($1, 1, length($1) - 1) }
    /^ +image: / && index(services, " " name " ") { print $2 }' "$work/config" | sort -u
}

# Starts services, without building.
up() {
  "${compose[@]}" up -d --no-build "$@" </dev/null >"$work/up" 2>&1 || {
    cat "$work/up"
    fail "compose does not start ${*:-all services}"
  }
}

after_clean_up() { :; }
clean_up() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    say "last lines of the logs:"
    "${compose[@]}" logs --tail 50 2>&1 || true
  fi
  "${compose[@]}" down --volumes --remove-orphans --timeout 10 >"$work/down" 2>&1 || cat "$work/down"
  after_clean_up
  rm -rf "$work"
}
