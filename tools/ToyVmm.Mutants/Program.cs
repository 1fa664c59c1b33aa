using System.CommandLine;
using System.CommandLine.Parsing;
using ToyVmm.Mutants.Catalog;

namespace ToyVmm.Mutants;

/// <summary>The process: runs the command and turns whatever happens into an exit status.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        try
        {
            ParseResult parsed = new MutantsCommand().Create().Parse(arguments);
            if (parsed.Errors.Count > 0)
            {
                foreach (ParseError error in parsed.Errors)
                {
                    Report(error.Message);
                }

                return ExitStatus.Usage;
            }

            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false }).ConfigureAwait(false);
        }
        catch (UserErrorException e)
        {
            Report(e.Message);
            return e.Status;
        }
        catch (MutantException e)
        {
            Report(e.Message);
            return ExitStatus.BadData;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Report(e.Message);
            return ExitStatus.BadFile;
        }
        catch (OperationCanceledException)
        {
            return ExitStatus.Interrupted;
        }
        catch (Exception e)
        {
            Report($"internal error: this is a bug in the tool.\n{e}");
            return ExitStatus.InternalError;
        }
    }

    private static void Report(string message) => Console.Error.WriteLine($"mutants: {message}");
}
