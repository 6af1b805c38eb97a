namespace Toolkit.Samples.Top;

/// <summary>Asks again and again, and shows what has become of it; keys change the order, and end it.</summary>
internal sealed class TopRun(EventLoop loop, TopSettings settings)
{
    private readonly AsyncEvent _pressed = new();
    private TransportOrder _order = settings.Order;

    public async Task RunAsync()
    {
        await using Inquirer inquirer = await Inquirer.ConnectAsync(loop, settings.Socket);
        Answer first = await inquirer.AskAsync();
        if (settings.IsOnce)
        {
            await loop.Delay(settings.Interval); // what happens in a second is known a second later
            Screen.Print(NewView(await inquirer.AskAsync(), first));
            return;
        }

        // The key that ends it is heard while an answer is awaited, too.
        await CancelScope.RunAsync(async scope =>
        {
            if (!Console.IsInputRedirected)
            {
                _ = loop.CreateTask(() => ReadKeysAsync(scope), "keys");
            }

            await ShowAsync(inquirer, first);
        });
    }

    private async Task ShowAsync(Inquirer inquirer, Answer before)
    {
        using var screen = new Screen();
        await WaitAsync(loop.Time + (settings.Interval / 4), redraw: null);
        while (true)
        {
            TimeSpan next = loop.Time + settings.Interval;
            Answer now = await inquirer.AskAsync();
            Answer earlier = before;
            screen.Show(NewView(now, earlier));
            await WaitAsync(next, () => screen.Show(NewView(now, earlier)));
            before = now;
        }
    }

    private TopView NewView(Answer now, Answer before) => new(settings, _order, now, before);

    private async Task WaitAsync(TimeSpan until, Action? redraw)
    {
        while (await CancelScope.RunAsync(async _ => await _pressed.WaitAsync(), until))
        {
            _pressed.Clear();
            redraw?.Invoke();
        }
    }

    private async Task ReadKeysAsync(CancelScope whole)
    {
        while (true)
        {
            ConsoleKeyInfo key = await loop.RunInThreadAsync(() => Console.ReadKey(intercept: true));
            switch (char.ToLowerInvariant(key.KeyChar))
            {
                case 'q':
                    whole.Cancel();
                    return;
                case 's':
                    _order = (TransportOrder)(((int)_order + 1) % Enum.GetValues<TransportOrder>().Length);
                    _pressed.Set();
                    break;
            }
        }
    }
}
