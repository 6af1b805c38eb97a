using System.Reflection;
using Toolkit.Simulation;

namespace Toolkit.Tests.Backends.Chaos;

public sealed class ChaosOptionsTests
{
    public static TheoryData<string> Probabilities =>
        [.. typeof(ChaosOptions).GetProperties().Where(option => option.PropertyType == typeof(double)).Select(option => option.Name)];

    [Theory]
    [MemberData(nameof(Probabilities))]
    public void Probability_WithinItsBounds_IsTaken(string option)
    {
        foreach (double value in (double[])[0, 0.5, 1])
        {
            ChaosOptions options = With(option, value);
            Assert.Equal(value, typeof(ChaosOptions).GetProperty(option)!.GetValue(options));
        }
    }

    [Theory]
    [MemberData(nameof(Probabilities))]
    public void Probability_OutOfItsBounds_IsRefusedAndSaysWhatToDo(string option)
    {
        foreach (double value in (double[])[-0.01, 1.01, double.NaN, double.PositiveInfinity])
        {
            var exception = Assert.Throws<ArgumentOutOfRangeException>(() => With(option, value));

            Assert.Equal(option, exception.ParamName);
            Assert.Contains("from 0, which is never, to 1", exception.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public void MaxDelayPolls_OutOfItsBounds_IsRefused(int polls)
    {
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => new ChaosOptions { MaxDelayPolls = polls });

        Assert.Equal(nameof(ChaosOptions.MaxDelayPolls), exception.ParamName);
    }

    [Fact]
    public void Presets_SayWhatTheyAre()
    {
        Assert.Equal(new ChaosOptions(), ChaosOptions.Default);
        Assert.All(Errors(ChaosOptions.Default), error => Assert.True(error > 0));
        Assert.All(Errors(ChaosOptions.Gentle), error => Assert.Equal(0, error));
        Assert.True(ChaosOptions.Gentle.ShortReceive > 0);
        Assert.All(Probabilities, option => Assert.Equal(0d, typeof(ChaosOptions).GetProperty(option)!.GetValue(ChaosOptions.None)));
        Assert.True(ChaosOptions.Harsh.ReceiveError > ChaosOptions.Default.ReceiveError);
        Assert.Equal(7ul, (ChaosOptions.Gentle with { Seed = 7 }).Seed);
    }

    private static double[] Errors(ChaosOptions options)
        => [options.OpenError, options.AcceptError, options.ConnectError, options.SendError, options.ReceiveError];

    private static ChaosOptions With(string option, double value)
    {
        try
        {
            var options = new ChaosOptions();
            typeof(ChaosOptions).GetProperty(option)!.SetValue(options, value);
            return options;
        }
        catch (TargetInvocationException exception)
        {
            throw exception.InnerException!;
        }
    }
}
