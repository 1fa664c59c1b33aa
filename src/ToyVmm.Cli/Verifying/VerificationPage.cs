using System.Globalization;
using System.Net;

namespace ToyVmm.Cli.Verifying;

/// <summary>The report as one HTML page that needs nothing else: no script, no style sheet, no image from elsewhere.</summary>
internal static class VerificationPage
{
    private const string Style = """
        body { font: 15px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }
        h1, h2 { line-height: 1.2; } h2 { border-top: 1px solid #ccc; padding-top: 1em; margin-top: 2em; }
        table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .15em .8em .15em 0; }
        td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } code, pre { font-family: ui-monospace, monospace; font-size: 13px; }
        pre { background: #f4f4f4; padding: .8em; overflow-x: auto; } .holds { color: #06612e; } .violated { color: #a3122a; } .incomplete { color: #7a5200; }
        .bar { display: inline-block; height: .7em; background: #4a7fb5; } details { margin: .6em 0; } dt { font-weight: 600; margin-top: .5em; } dd { margin: 0 0 0 1.2em; }
        @media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #262626; } h2 { border-color: #444; }
          .holds { color: #6fd39a; } .violated { color: #ff8593; } .incomplete { color: #e5b85a; } }
        """;

    /// <summary>Writes the page.</summary>
    public static void Write(TextWriter page, VerificationReport report)
    {
        page.Write($"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>ToyVmm: what was verified</title>\n<style>\n{Style}\n</style>\n</head>\n<body>\n");
        page.Write($"<h1>ToyVmm: what was verified</h1>\n<p>ToyVmm {Text(report.Version)} on {Text(report.Host)}.</p>\n");
        foreach (PropertyReport property in report.Properties)
        {
            Write(page, property);
        }

        page.Write("</body>\n</html>\n");
    }

    private static void Write(TextWriter page, PropertyReport report)
    {
        page.Write($"<h2>{Text(report.Property)}: <span class=\"{report.Result}\">{report.Result}</span></h2>\n");
        page.Write($"<p>{Number(report.Checked)} of {Number(report.Cases)} cases, seeds from {report.Seed}, in {report.Seconds.ToString("N1", CultureInfo.InvariantCulture)} s: {Number((ulong)report.PerHour)} an hour.</p>\n<dl>\n");
        page.Write($"<dt>Claim</dt><dd>{Text(report.Claim)}</dd>\n<dt>Domain</dt><dd>{Text(report.Domain)}</dd>\n<dt>Excluded</dt>{Items(report.Exclusions)}\n");
        page.Write($"<dt>Generator</dt><dd>{Text(report.Generator)}</dd>\n<dt>Taking part</dt>{Items(report.Engines)}\n</dl>\n");
        page.Write("<h3>Counts</h3>\n<table>\n");
        foreach ((string name, ulong number) in report.Counts)
        {
            page.Write($"<tr><td>{Text(name)}</td><td class=\"n\">{Number(number)}</td></tr>\n");
        }

        page.Write("</table>\n");
        if (report.Worst.Count > 0)
        {
            page.Write("<h3>Worst cases</h3>\n<table>\n<tr><th>measure</th><th class=\"n\">value</th><th>again</th></tr>\n");
            foreach (WorstReport worst in report.Worst)
            {
                page.Write($"<tr><td>{Text(worst.Measure)}</td><td class=\"n\">{worst.Value.ToString("N2", CultureInfo.InvariantCulture)}</td><td><code>{Text(worst.Replay)}</code></td></tr>\n");
            }

            page.Write("</table>\n");
        }

        foreach (CounterexampleReport found in report.Counterexamples)
        {
            page.Write($"<h3 class=\"violated\">Counterexample: seed {found.Seed}</h3>\n<p>{Text(found.Summary)}</p>\n<pre>{Text(found.Detail)}</pre>\n<p>Files <code>{Text(found.File)}.*</code>; again: <code>{Text(found.Replay)}</code></p>\n");
        }

        Coverage(page, report);
    }

    private static void Coverage(TextWriter page, PropertyReport report)
    {
        if (report.Coverage.Count == 0)
        {
            return;
        }

        ulong most = report.Coverage.Max(Total);
        page.Write($"<h3>Instruction forms executed</h3>\n<p>{report.Coverage.Count} forms, counted in a sample of the cases; {report.NotCovered.Count} of the classification were not. Bars are logarithmic.</p>\n<details>\n<summary>Histogram by mode</summary>\n");
        page.Write("<table>\n<tr><th>form</th><th class=\"n\">real</th><th class=\"n\">ring 0</th><th class=\"n\">ring 3</th><th class=\"n\">virtual-8086</th><th></th></tr>\n");
        foreach (CoverageReport form in report.Coverage)
        {
            double width = 12 * Math.Log(1 + Total(form)) / Math.Log(1 + most);
            page.Write($"<tr><td><code>{Text(form.Form)}</code></td><td class=\"n\">{Number(form.Real)}</td><td class=\"n\">{Number(form.Ring0)}</td><td class=\"n\">{Number(form.Ring3)}</td><td class=\"n\">{Number(form.Virtual8086)}</td>");
            page.Write(string.Create(CultureInfo.InvariantCulture, $"<td><span class=\"bar\" style=\"width:{width:F1}em\"></span></td></tr>\n"));
        }

        page.Write("</table>\n</details>\n<details>\n<summary>Not executed</summary>\n<p>");
        page.Write(string.Join(" ", report.NotCovered.Select(form => $"<code>{Text(form)}</code>")));
        page.Write("</p>\n</details>\n");
    }

    private static ulong Total(CoverageReport form) => form.Real + form.Ring0 + form.Ring3 + form.Virtual8086;

    private static string Items(IReadOnlyList<string> items) => string.Concat(items.Select(item => $"<dd>{Text(item)}</dd>"));

    private static string Number(ulong number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
