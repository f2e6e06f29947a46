#!/bin/sh
# The runner of these tests: it keeps to the contract of the attempt folder. It is called as `netbuild-runner FOLDER`.
folder=$2
attempt=$(sed -E 's/^\{"attempt":(.*),"created_at".*$/\1/' "$folder/attempt.json")
command=$(sed -E 's/.*"command":"((\\.|[^"\\])*)".*/\1/; s/\\(.)/\1/g' "$folder/job.json")
rm "$folder/job.json"
mkdir "$folder/work" && cd "$folder/work" || exit 1

cancelled=0
child=
end() {
    cancelled=1
    [ -z "$child" ] || kill -TERM "-$child"
}
trap end TERM
setsid /bin/sh -c "$command" >"$folder/log" 2>&1 &
child=$!
[ "$cancelled" = 0 ] || end
wait "$child"
code=$?
# A signal ends the wait before the child has ended.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

if [ "$cancelled" = 1 ]; then
    outcome='{"result":"cancelled"}'
elif [ "$code" = 0 ]; then
    outcome='{"result":"succeeded","deploy":null}'
else
    outcome='{"result":"failed","cause":{"cause":"command_failed","code":'$code'},"evidence":""}'
fi
report="{\"outcome\":$outcome,\"phases\":[],\"commit\":null,\"log_bytes\":$(stat -c %s "$folder/log")}"
echo "{\"attempt\":$attempt,\"report\":$report}" >"$folder/exit.new"
mv "$folder/exit.new" "$folder/exit.json"
