# shellcheck shell=bash
# Sourced by the scripts: the tests and programs, built with a sanitizer.
#
# `sanitizer_build thread` or `address` builds them, sets `build` to the flags for `swift test`, and `reports` to where each
# process writes what was found: `$reports/thread.<process id>`.

# shellcheck source=scripts/lib/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"

reports=$local_directory/sanitize

sanitizer_build() {
    local sanitizer=$1 sources=$root/scripts/lib/sanitize options leak_options='' symbolizer object
    # Suppressions go by functions' names, which need it. The tests start loaders without a PATH.
    symbolizer=$(command -v llvm-symbolizer) || die "llvm-symbolizer is needed: install the package llvm"
    mkdir -p "$reports"
    rm -f "$reports/$sanitizer".*
    options=log_path=$reports/$sanitizer:external_symbolizer_path=$symbolizer
    local objects=("$reports/options-$sanitizer.o")
    if [ "$sanitizer" = thread ]; then
        # What libraries that are not built with the sanitizer do by themselves, it cannot judge.
        options+=:suppressions=$sources/thread.supp:ignore_noninstrumented_modules=1
        objects+=("$reports/visible.o")
        clang -c -O1 -fPIC -o "$reports/visible.o" "$sources/visible_to_thread_sanitizer.c"
    else
        options+=:detect_leaks=1
        leak_options=suppressions=$sources/leak.supp:print_suppressions=0
    fi
    clang -c -O1 -fPIC ${leak_options:+-DCHECKS_LEAKS} -DOPTIONS="\"$options\"" -DOPTIONS_OF_LEAK_CHECK="\"$leak_options\"" \
        -o "$reports/options-$sanitizer.o" "$sources/options.c"
    build=(--scratch-path ".build-$sanitizer" --sanitize "$sanitizer")
    [ -z "$leak_options" ] || build+=(-Xlinker --wrap=_exit)
    for object in "${objects[@]}"; do build+=(-Xlinker "$object"); done
    # The linker gold has a line for each of the sanitizer's own helpers.
    swift build "${build[@]}" --build-tests 2>&1 | sed '/Cannot export local symbol/d'
}

# Shows what processes have reported; fails if any has.
sanitizer_reports() {
    local report found=0
    for report in "$reports/$1".*; do
        [ -e "$report" ] || continue
        say "$report"
        grep -h '^SUMMARY' "$report" || head -n 20 "$report"
        found=1
    done
    return $found
}
