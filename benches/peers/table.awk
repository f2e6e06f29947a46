# Prints one table of the lines that a run of all queues makes: backlog, queue, settings, microseconds of publishing and of
# consuming. The figures are medians; -v messages=COUNT -v settings=HEADING.
function median(values, count,   i, j, kept) {
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && values[j] < values[j - 1]; j--) { kept = values[j]; values[j] = values[j - 1]; values[j - 1] = kept }
    return values[int((count + 1) / 2)]
}
{
    row = $1 "\t" $2 "\t" $3
    if (!(row in runs)) order[++rows] = row
    cost[row, ++runs[row]] = ($4 + $5) / messages
}
END {
    printf "%-8s %-16s %-28s %10s %8s\n", "backlog", "queue", settings, "µs/message", "of raw"
    for (i = 1; i <= rows; i++) {
        split(order[i], part, "\t")
        for (n = 1; n <= runs[order[i]]; n++) values[n] = cost[order[i], n]
        middle[i] = median(values, runs[order[i]])
        if (part[2] == "raw") raw[part[1]] = middle[i]
    }
    for (i = 1; i <= rows; i++) {
        split(order[i], part, "\t")
        printf "%-8s %-16s %-28s %10.1f %8.2f\n", part[1], part[2], part[3], middle[i], raw[part[1]] / middle[i]
    }
}